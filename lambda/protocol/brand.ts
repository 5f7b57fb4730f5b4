declare const brand: unique symbol

/** A type of validated values. Only its parser creates them, so other code need not validate them again. */
export type Brand<T, Name extends string> = T & { readonly [brand]: Name }

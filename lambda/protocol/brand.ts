declare const brand: unique symbol

/** Text that has been checked: only the parser that knows the rule makes one, so nothing deeper checks again. */
export type Brand<T, Name extends string> = T & { readonly [brand]: Name }

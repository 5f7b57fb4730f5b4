declare const brand: unique symbol

/** A validated value. Only the parser that checks the rule creates one, so the code below the parser does not check again. */
export type Brand<T, Name extends string> = T & { readonly [brand]: Name }

/** The two of the library that are needed. By this name they can be loaded late without all the others. */
export { createSHA256, createSHA512 } from 'hash-wasm'

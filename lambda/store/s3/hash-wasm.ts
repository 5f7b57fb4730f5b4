/**
 * A separate file because of `import()`: esbuild bundles every export of a package that is imported dynamically. With
 * this file in between, the lazily loaded bundle contains two hash functions instead of all (36 KB instead of 211 KB).
 */
export { createSHA256, createSHA512 } from 'hash-wasm'

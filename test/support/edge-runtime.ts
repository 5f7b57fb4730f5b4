import { createHash, createHmac, type Hash, type Hmac } from 'node:crypto'
import { createContext, runInContext, Script } from 'node:vm'

const words = (text: string) => text.trim().split(/\s+/)

/**
 * The features of CloudFront Functions runtime 2.0 ("JavaScript runtime 2.0 features for CloudFront Functions"). Other
 * features of Node are removed, so a function that uses them fails here as it would in CloudFront.
 */
const METHODS: Record<string, readonly string[]> = {
  Object: words(`
    create defineProperties defineProperty freeze getOwnPropertyDescriptor getOwnPropertyDescriptors
    getOwnPropertyNames getPrototypeOf isExtensible isFrozen isSealed keys preventExtensions seal
    assign entries values`),
  String: ['fromCharCode', 'fromCodePoint'],
  'String.prototype': words(`
    charAt concat indexOf lastIndexOf match replace search slice split substr substring toLowerCase
    trim toUpperCase codePointAt endsWith includes repeat startsWith padStart padEnd trimStart
    trimEnd replaceAll`),
  Number: words(`
    EPSILON MAX_SAFE_INTEGER MIN_SAFE_INTEGER MAX_VALUE MIN_VALUE NaN NEGATIVE_INFINITY
    POSITIVE_INFINITY isFinite isInteger isNaN isSafeInteger parseInt parseFloat`),
  'Number.prototype': ['toExponential', 'toFixed', 'toPrecision'],
  Array: ['isArray', 'of'],
  'Array.prototype': words(`
    concat every filter forEach indexOf join lastIndexOf map pop push reduce reduceRight reverse
    shift slice some sort splice unshift copyWithin fill find findIndex includes`),
  'Function.prototype': ['apply', 'bind', 'call'],
  'RegExp.prototype': words('global ignoreCase multiline source sticky flags exec test'),
}
/** Properties that no object loses. */
const ALWAYS = ['constructor', 'length', 'name', 'prototype', 'toString', 'valueOf']
const GLOBALS = words(`
    Object String Number Boolean Array Function RegExp Math Date JSON Promise Symbol DataView
    ArrayBuffer Float32Array Float64Array Int8Array Int16Array Int32Array Uint8Array
    Uint8ClampedArray Uint16Array Uint32Array Error EvalError RangeError ReferenceError SyntaxError
    TypeError URIError globalThis decodeURI decodeURIComponent encodeURI encodeURIComponent isFinite
    isNaN parseFloat parseInt NaN Infinity undefined Buffer TextDecoder TextEncoder atob btoa
    console`)

/** Removes the other features. It runs inside the context before the function, and leaves no names of its own there. */
const STRIP = `(({ METHODS, ALWAYS, GLOBALS, now }) => {
  const RealDate = Date
  globalThis.Date = class extends RealDate {
    constructor(...args) { args.length > 0 ? super(...args) : super(now) }
    static now() { return now }
  }
  for (const [path, kept] of Object.entries(METHODS)) {
    const owner = path.split('.').reduce((at, name) => at[name], globalThis)
    for (const name of Object.getOwnPropertyNames(owner))
      if (!kept.includes(name) && !ALWAYS.includes(name)) delete owner[name]
  }
  for (const name of Object.getOwnPropertyNames(globalThis)) if (!GLOBALS.includes(name)) delete globalThis[name]
})`

const buffer = {
  alloc: Buffer.alloc,
  allocUnsafe: Buffer.allocUnsafe,
  byteLength: Buffer.byteLength,
  compare: Buffer.compare,
  concat: Buffer.concat,
  from: Buffer.from,
  isBuffer: Buffer.isBuffer,
  isEncoding: Buffer.isEncoding,
}

const hasher = (hash: Hash | Hmac) => ({
  update(data: string | Uint8Array) {
    hash.update(data)
    return this
  },
  digest(encoding?: string) {
    if (encoding === undefined) return hash.digest()
    if (encoding !== 'hex' && encoding !== 'base64' && encoding !== 'base64url')
      throw new TypeError(`the runtime has no encoding ${encoding}`)
    return hash.digest(encoding)
  },
})

function algorithm(name: string): string {
  if (!['md5', 'sha1', 'sha256'].includes(name)) throw new TypeError(`the runtime has no ${name}`)
  return name
}

const crypto = {
  createHash: (name: string) => hasher(createHash(algorithm(name))),
  createHmac: (name: string, key: string | Uint8Array) => hasher(createHmac(algorithm(name), key)),
}

/** Import statements, which are valid in a function file and not in a script of `node:vm`. */
const IMPORT = /^import (\w+) from '(\w+)'$/gm

/**
 * Runs a function file in a new context and calls its `handler`. Events and results pass as JSON, so that the function
 * shares no objects with this process.
 * @param cloudfront the module `cloudfront` of the function
 * @param now the time of the function's clock, in milliseconds since 1970
 */
export async function callHandler(
  source: string,
  event: unknown,
  { cloudfront, now }: { cloudfront: unknown; now: number },
): Promise<unknown> {
  const context = createContext(
    {
      Buffer: buffer,
      TextDecoder,
      TextEncoder,
      atob,
      btoa,
      console: { log: (..._: [unknown]) => undefined },
    },
    { codeGeneration: { strings: false, wasm: false } },
  )
  const parse = runInContext('JSON.parse', context)
  const stringify = runInContext('JSON.stringify', context)
  runInContext(STRIP, context)({ METHODS, ALWAYS, GLOBALS, now })

  const modules: Record<string, unknown> = { cloudfront, crypto }
  const imported: unknown[] = []
  const script = source.replaceAll(IMPORT, (_, local: string, name: string) => {
    if (!(name in modules)) throw new TypeError(`the runtime has no module ${name}`)
    imported.push(modules[name])
    return `const ${local} = imported[${imported.length - 1}]`
  })
  const load = new Script(`'use strict'; (imported => { ${script}\nreturn handler })`).runInContext(context)
  return JSON.parse(stringify(await load(imported)(parse(JSON.stringify(event)))))
}

import { createHash, createHmac, type Hash, type Hmac } from 'node:crypto'
import { type Context, createContext, runInContext, Script } from 'node:vm'

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
/** Properties that are kept on every object. */
const ALWAYS = ['constructor', 'length', 'name', 'prototype', 'toString', 'valueOf']
const GLOBALS = words(`
    Object String Number Boolean Array Function RegExp Math Date JSON Promise Symbol DataView
    ArrayBuffer Float32Array Float64Array Int8Array Int16Array Int32Array Uint8Array
    Uint8ClampedArray Uint16Array Uint32Array Error EvalError RangeError ReferenceError SyntaxError
    TypeError URIError globalThis decodeURI decodeURIComponent encodeURI encodeURIComponent isFinite
    isNaN parseFloat parseInt NaN Infinity undefined Buffer TextDecoder TextEncoder atob btoa
    console`)

/**
 * Runs inside a new context, before any function. It freezes the remaining globals, so that one call cannot change them for the next.
 * Returns a function that sets the clock.
 */
const STRIP = `(({ METHODS, ALWAYS, GLOBALS }) => {
  let now = 0
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
  const { freeze, getOwnPropertyNames } = Object
  for (const name of getOwnPropertyNames(globalThis)) {
    if (!GLOBALS.includes(name)) delete globalThis[name]
    else if (['object', 'function'].includes(typeof globalThis[name]) && name !== 'globalThis') {
      freeze(globalThis[name])
      if (globalThis[name].prototype) freeze(globalThis[name].prototype)
    }
  }
  return time => { now = time }
})`

const buffer = Object.freeze({
  alloc: Buffer.alloc,
  allocUnsafe: Buffer.allocUnsafe,
  byteLength: Buffer.byteLength,
  compare: Buffer.compare,
  concat: Buffer.concat,
  from: Buffer.from,
  isBuffer: Buffer.isBuffer,
  isEncoding: Buffer.isEncoding,
})

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
const IMPORT = /^import ([\w$]+) from '(\w+)'$/gm

interface Runtime {
  readonly context: Context
  readonly setClock: (now: number) => void
  readonly parse: (text: string) => unknown
  readonly stringify: (value: unknown) => string
  /** The globals that differ from those of any new context. */
  readonly globals: Readonly<Record<string, unknown>>
}

function createRuntime(): Runtime {
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
  const setClock = runInContext(STRIP, context)({ METHODS, ALWAYS, GLOBALS })
  return { context, setClock, parse, stringify, globals: { ...context } }
}

/** A function file, compiled once. Each call gets globals that no other call has changed, and module variables of its own. */
export class EdgeScript {
  readonly #script: Script
  /** Names of the modules in the order of the imports. */
  readonly #modules: string[] = []
  /** Runtimes that can be used again, because creating one costs more than running a function. */
  readonly #idle: Runtime[] = []

  constructor(source: string) {
    const body = source.replaceAll(IMPORT, (_, local: string, name: string) => {
      this.#modules.push(name)
      return `const ${local} = imported[${this.#modules.length - 1}]`
    })
    this.#script = new Script(`'use strict'; (imported => { ${body}\nreturn handler })`)
  }

  /**
   * Calls `handler`. The event and the result are copied as JSON, so the function gets no objects of this process.
   * @param cloudfront the module `cloudfront` of the function
   * @param now the time of the function's clock, in milliseconds since 1970
   */
  async call(event: unknown, { cloudfront, now }: { cloudfront: unknown; now: number }): Promise<unknown> {
    const modules: Record<string, unknown> = { cloudfront, crypto }
    const imported = this.#modules.map(name => {
      if (!(name in modules)) throw new TypeError(`the runtime has no module ${name}`)
      return modules[name]
    })
    const runtime = this.#idle.pop() ?? createRuntime()
    const { context, setClock, parse, stringify } = runtime
    try {
      setClock(now)
      const handler = this.#script.runInContext(context)(imported)
      return JSON.parse(stringify(await handler(parse(JSON.stringify(event)))))
    } finally {
      if (isUnchanged(runtime)) this.#idle.push(runtime)
    }
  }
}

/** Whether a function has neither set nor replaced a global. It cannot change the objects that are globals: they are frozen. */
function isUnchanged({ context, globals }: Runtime): boolean {
  const names = Object.getOwnPropertyNames(context)
  return names.length === Object.keys(globals).length && names.every(name => context[name] === globals[name])
}

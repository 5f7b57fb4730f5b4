import { createRequire } from 'node:module'
import { availableParallelism } from 'node:os'
import { Worker } from 'node:worker_threads'
import {
  type BcryptInput,
  IN_PROCESS,
  type KeyDerivation,
  optionsOf,
  type ScryptInput,
} from '../lambda/auth/identity/key-derivation.ts'
import { WorkQueue } from './work-queue.ts'

/** Half of the processors at most: the others serve pulls during a flood of logins. */
const THREADS = Math.max(1, Math.min(4, Math.floor(availableParallelism() / 2)))
/** On one thread the last login in the queue waits about five seconds. */
const LIMITS = { running: THREADS, waiting: 24, perClient: 12 }

/** The code of a thread. It is inline, so that a bundler does not need to find a second file. */
const SOURCE = `
  const { parentPort, workerData } = require('node:worker_threads')
  const { scryptSync } = require('node:crypto')
  const tasks = {
    scrypt: ({ password, salt, length, options }) => scryptSync(password, salt, length, options),
    bcrypt: ({ password, stored }) => require(workerData.bcrypt).compareSync(password, stored),
  }
  parentPort.on('message', ({ task, input }) => {
    try {
      parentPort.postMessage({ result: tasks[task](input) })
    } catch (error) {
      parentPort.postMessage({ error })
    }
  })`

type Task = 'scrypt' | 'bcrypt'
interface Reply {
  readonly result?: unknown
  readonly error?: unknown
}

/**
 * Hashes passwords on separate threads with a bounded queue. Node's thread pool has four threads, which also read the
 * files of pulls: a hundred logins in that pool would delay every pull by twenty seconds.
 *
 * Threads start when they are first needed, and do not keep the process alive.
 */
export class PasswordThreads implements KeyDerivation {
  readonly #queue = new WorkQueue(LIMITS)
  readonly #idle: Worker[] = []
  readonly #bcrypt = findBcrypt()

  async scrypt({ password, salt, cost, length }: ScryptInput, from?: string): Promise<Uint8Array> {
    const input = { password, salt, length, options: optionsOf(cost) }
    return (await this.#queue.run(() => this.#hash('scrypt', input), from)) as Uint8Array
  }

  async bcrypt(input: BcryptInput, from?: string): Promise<boolean> {
    const compare = () => (this.#bcrypt ? this.#hash('bcrypt', input) : IN_PROCESS.bcrypt(input))
    return (await this.#queue.run(compare, from)) as boolean
  }

  /** Ends the idle threads. */
  async close(): Promise<void> {
    await Promise.all(this.#idle.splice(0).map(worker => worker.terminate()))
  }

  async #hash(task: Task, input: unknown): Promise<unknown> {
    const worker =
      this.#idle.pop() ?? new Worker(SOURCE, { eval: true, workerData: { bcrypt: this.#bcrypt } })
    const { result, error } = await replyOf(worker, { task, input })
    this.#idle.push(worker)
    if (error !== undefined) throw error
    return result
  }
}

/** Sends a message to a thread and waits for the reply. @throws {Error} when the thread ends before it replies */
function replyOf(worker: Worker, message: unknown): Promise<Reply> {
  const { promise, resolve, reject } = Promise.withResolvers<Reply>()
  const onExit = () => reject(new Error('the thread that hashes passwords has ended'))
  worker.ref()
  worker.once('message', resolve).once('error', reject).once('exit', onExit)
  worker.postMessage(message)
  return promise.finally(() => {
    worker.off('message', resolve).off('error', reject).off('exit', onExit)
    worker.unref()
  })
}

/** Path of the package bcryptjs; `undefined` in a bundle, which has no packages beside it. */
function findBcrypt(): string | undefined {
  try {
    return createRequire(import.meta.url).resolve('bcryptjs')
  } catch {
    return undefined
  }
}

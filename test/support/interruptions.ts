import type { FileHandle } from 'node:fs/promises'
import { StorageFull } from '../../lambda/store/blobs.ts'
import type { Table } from '../../lambda/store/table.ts'

/** `kill`: the process ends before the step. An error code: this one step fails with it, and the process continues. */
export type Failure = 'kill' | 'EIO' | 'ENOSPC'

/** The error of every call in a process that was killed. */
class Killed extends Error {
  override readonly name = 'Killed'
}

/** Steps that need no disk space, so they succeed on a full disk. */
const NEEDS_NO_SPACE = new Set(['rm', 'unlink', 'truncate'])

/**
 * Counts the steps in which a process changes stored data: each write, sync, rename, link, creation and removal of a
 * file, and each transaction. One step can be made to fail, or the process can be killed before it.
 */
class Interruptions {
  #steps = 0
  #dead = false
  #failure: { readonly at: number; readonly how: Failure } | undefined
  /** The name of the step that was interrupted. */
  interrupted: string | undefined

  /** Starts a new process. @param failure the number of the step that fails, and how; by default none fails */
  start(failure?: { readonly at: number; readonly how: Failure }): void {
    this.#steps = 0
    this.#dead = false
    this.#failure = failure
    this.interrupted = undefined
  }

  get steps(): number {
    return this.#steps
  }

  get isDead(): boolean {
    return this.#dead
  }

  async step<T>(name: string, work: () => Promise<T>): Promise<T> {
    this.expectAlive()
    const { at, how } = this.#failure ?? {}
    if (this.#steps++ !== at || (how === 'ENOSPC' && NEEDS_NO_SPACE.has(name))) return work()
    this.interrupted = name
    if (how === 'kill') this.#dead = true
    this.expectAlive()
    if (how === 'ENOSPC' && name === 'transact')
      throw new StorageFull('the disk is full: no room for the table')
    throw Object.assign(new Error(`${how}: ${name}`), { code: how })
  }

  expectAlive(): void {
    if (this.#dead) throw new Killed('the process was killed')
  }
}

export const interruptions = new Interruptions()

/** A table in which every transaction is a step. */
export function interruptedTable<T extends Table>(table: T): T {
  return new Proxy(table, {
    get(target, name) {
      const value: unknown = Reflect.get(target, name)
      if (typeof value !== 'function') return value
      return (...parameters: unknown[]) => {
        const work = async () => value.apply(target, parameters)
        return name === 'transact' ? interruptions.step('transact', work) : ifAlive(work)
      }
    },
  })
}

type Files = typeof import('node:fs/promises')

/** `node:fs/promises` with a step for every change. For `vi.mock`. */
export function interruptedFiles(files: Files): Files {
  /** A function of the module in which every call is a step. */
  const stepping = <N extends 'rename' | 'rm' | 'unlink' | 'link' | 'mkdir'>(name: N): Files[N] => {
    const change = files[name] as (...parameters: unknown[]) => Promise<unknown>
    const step = (...parameters: unknown[]) => interruptions.step(name, () => change(...parameters))
    return step as unknown as Files[N]
  }
  return {
    ...files,
    rename: stepping('rename'),
    rm: stepping('rm'),
    unlink: stepping('unlink'),
    link: stepping('link'),
    mkdir: stepping('mkdir'),
    stat: ((path: string) => ifAlive(() => files.stat(path))) as Files['stat'],
    async open(path, flags) {
      const work = () => files.open(path, flags)
      return interruptedHandle(await (flags === 'wx' ? interruptions.step('create', work) : ifAlive(work)))
    },
  }
}

const CHANGES = new Set(['writev', 'datasync', 'sync', 'truncate'])

function interruptedHandle(file: FileHandle): FileHandle {
  return new Proxy(file, {
    get(target, name) {
      const value: unknown = Reflect.get(target, name)
      if (typeof value !== 'function') return value
      // The system closes the files of a killed process.
      if (name === 'close') return value.bind(target)
      return (...parameters: unknown[]) => {
        const work = async () => value.apply(target, parameters)
        return CHANGES.has(String(name)) ? interruptions.step(String(name), work) : ifAlive(work)
      }
    },
  })
}

async function ifAlive<T>(work: () => Promise<T>): Promise<T> {
  interruptions.expectAlive()
  return work()
}

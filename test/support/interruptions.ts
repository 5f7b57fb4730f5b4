import type { FileHandle } from 'node:fs/promises'
import { StorageFull } from '../../lambda/store/blobs.ts'
import type { Table } from '../../lambda/store/table.ts'

/**
 * `kill`: the process ends before the step, which is also after the one before. A code: the system refuses that one step, and the
 * process lives on.
 */
export type Failure = 'kill' | 'EIO' | 'ENOSPC'

/** What every call of a process that has been killed meets. */
class Killed extends Error {
  override readonly name = 'Killed'
}

/** Steps that need no room, so a full disk does not refuse them. */
const NEEDS_NO_ROOM = new Set(['rm', 'unlink', 'truncate'])

/**
 * The steps by which a process changes what is stored: each write, sync, rename, link, creation and removal of a file, and each
 * transaction. One of them can be made to fail, or to be the last before the process is killed.
 */
class Interruptions {
  #steps = 0
  #dead = false
  #failure: { readonly at: number; readonly how: Failure } | undefined
  /** The name of the step that was interrupted. */
  interrupted: string | undefined

  /** A new process, which fails at the step of that number, or never. */
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
    if (this.#steps++ !== at || (how === 'ENOSPC' && NEEDS_NO_ROOM.has(name))) return work()
    this.interrupted = name
    if (how === 'kill') this.#dead = true
    this.expectAlive()
    if (how === 'ENOSPC' && name === 'transact') throw new StorageFull('no room for the table')
    throw Object.assign(new Error(`${how}: ${name}`), { code: how })
  }

  expectAlive(): void {
    if (this.#dead) throw new Killed('the process was killed')
  }
}

export const interruptions = new Interruptions()

/** A table whose every transaction is a step. */
export function interruptedTable<T extends Table>(table: T): T {
  return new Proxy(table, {
    get(target, name) {
      const value: unknown = Reflect.get(target, name)
      if (typeof value !== 'function') return value
      return (...parameters: unknown[]) => {
        const work = async () => value.apply(target, parameters)
        return name === 'transact' ? interruptions.step('transact', work) : alive(work)
      }
    },
  })
}

type Files = typeof import('node:fs/promises')

/** `node:fs/promises`, in which everything that changes something is a step. For `vi.mock`. */
export function interruptedFiles(files: Files): Files {
  /** One function of the module, each call of which is a step. */
  const changing = <N extends 'rename' | 'rm' | 'unlink' | 'link' | 'mkdir'>(name: N): Files[N] => {
    const change = files[name] as (...parameters: unknown[]) => Promise<unknown>
    const step = (...parameters: unknown[]) => interruptions.step(name, () => change(...parameters))
    return step as unknown as Files[N]
  }
  return {
    ...files,
    rename: changing('rename'),
    rm: changing('rm'),
    unlink: changing('unlink'),
    link: changing('link'),
    mkdir: changing('mkdir'),
    stat: ((path: string) => alive(() => files.stat(path))) as Files['stat'],
    async open(path, flags) {
      const work = () => files.open(path, flags)
      return interruptedHandle(await (flags === 'wx' ? interruptions.step('create', work) : alive(work)))
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
        return CHANGES.has(String(name)) ? interruptions.step(String(name), work) : alive(work)
      }
    },
  })
}

async function alive<T>(work: () => Promise<T>): Promise<T> {
  interruptions.expectAlive()
  return work()
}

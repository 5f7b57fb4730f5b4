import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

/** A temporary folder for one test. It is created on first use and deleted by {@link remove}. */
export class TempDir implements Disposable {
  readonly #prefix: string
  #path: string | undefined

  constructor(prefix = 'longshore-test-') {
    this.#prefix = prefix
  }

  get path(): string {
    this.#path ??= mkdtempSync(join(tmpdir(), this.#prefix))
    return this.#path
  }

  join(...parts: string[]): string {
    return join(this.path, ...parts)
  }

  /** Writes a file and returns its path. */
  write(name: string, content: string | Uint8Array): string {
    writeFileSync(this.join(name), content)
    return this.join(name)
  }

  /** Creates a folder inside and returns its path. */
  folder(name: string): string {
    mkdirSync(this.join(name), { recursive: true })
    return this.join(name)
  }

  remove(): void {
    if (this.#path) rmSync(this.#path, { recursive: true, force: true, maxRetries: 5 })
    this.#path = undefined
  }

  [Symbol.dispose](): void {
    this.remove()
  }
}

import { attempt, type CommandResult, run } from './command.ts'
import { TempDir } from './temp-dir.ts'

/** Podman or Buildah with a separate storage for tests. */
export class ContainersStorage implements AsyncDisposable {
  readonly #command: 'podman' | 'buildah'
  readonly #scratch = new TempDir('storage-')

  constructor(command: 'podman' | 'buildah') {
    this.#command = command
  }

  run(...args: string[]): Promise<string> {
    return run(this.#command, [...this.#flags, ...args])
  }

  /** Runs the command until it exits, with any exit code. */
  attempt(...args: string[]): Promise<CommandResult> {
    return attempt(this.#command, [...this.#flags, ...args])
  }

  async stop(): Promise<void> {
    // The program unmounts layers that are still mounted.
    await attempt(this.#command, [...this.#flags, 'rmi', '--all', '--force'])
    this.#scratch.remove()
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.stop()
  }

  get #flags(): string[] {
    const { path } = this.#scratch
    return ['--root', `${path}/root`, '--runroot', `${path}/run`, '--storage-driver', 'vfs']
  }
}

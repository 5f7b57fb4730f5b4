/** The command cannot be done. The message is one line for whoever gave it. */
export class Failure extends Error {
  override readonly name = 'Failure'
  /** 1: refused or not there; 2: the command line makes no sense. */
  readonly code: 1 | 2
  constructor(message: string, code: 1 | 2 = 1) {
    super(message)
    this.code = code
  }
}

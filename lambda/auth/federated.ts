import type { Subject } from './subject.ts'

/** A login whose passwords somebody else vouches for: `docker login -u <username>`. */
export interface FederatedLogin {
  /** What stands for the name of an account, such as `aws`. No account can have it. */
  readonly username: string
  /** @throws {RegistryError} UNAUTHORIZED when the password proves nothing; UNAVAILABLE when nobody can say */
  login(password: string): Promise<Subject>
}

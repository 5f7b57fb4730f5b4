import type { Subject } from '../subject.ts'

/** The names of such logins, whether they are on here or not. No account can have one of them. */
export const FEDERATED: readonly string[] = ['aws', 'oidc']

/** A login whose passwords somebody else vouches for: `docker login -u <username>`. */
export interface FederatedLogin {
  /** What stands for the name of an account: one of {@link FEDERATED}. */
  readonly username: string
  /**
   * @param registry the host by which the client knows this registry. What was made for another one must not work here:
   *   whoever runs that other one has seen it.
   * @throws {RegistryError} UNAUTHORIZED when the password proves nothing; UNAVAILABLE when nobody can say
   */
  login(password: string, registry: string): Promise<FederatedSubject>
}

type FederatedSubject = Extract<Subject, { kind: 'role' | 'oidc' }>

import type { Subject } from '../subject.ts'

/** The usernames of federated logins, enabled or not. They are reserved: no account can have one of these names. */
export const FEDERATED: readonly string[] = ['aws', 'oidc']

/** A login whose password an external provider verifies: `docker login -u <username>`. */
export interface FederatedLogin {
  /** The username, one of {@link FEDERATED}. */
  readonly username: string
  /**
   * @param registry the host name that the client used to reach this registry. A password for another registry must be
   *   rejected, because the operator of that registry has seen it.
   * @throws {RegistryError} UNAUTHORIZED if the password is invalid; UNAVAILABLE if the provider does not respond
   */
  login(password: string, registry: string): Promise<FederatedSubject>
}

type FederatedSubject = Extract<Subject, { kind: 'role' | 'oidc' }>

/**
 * What a route requires of its caller. `pull`, `push` and `delete` are decided by the policy for the repository in the path.
 * `ping` requires some login, which may be anonymous. `list` shows each caller the repositories they may pull. `self` requires
 * an account or a federated identity. `admin` requires an administrator. `none` requires nothing.
 */
export type RouteAction = 'none' | 'ping' | 'list' | 'self' | 'pull' | 'push' | 'delete' | 'admin'

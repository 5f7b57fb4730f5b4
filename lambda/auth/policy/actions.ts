/**
 * What a route requires of its caller:
 *
 * - `none`: nothing.
 * - `ping`: a login, which may be anonymous.
 * - `list`: a login. The response lists only the repositories that the caller may pull.
 * - `self`: an account or a federated identity.
 * - `pull`, `push`, `delete`: that the policy allows it for the repository in the path.
 * - `admin`: an administrator.
 */
export type RouteAction = 'none' | 'ping' | 'list' | 'self' | 'pull' | 'push' | 'delete' | 'admin'

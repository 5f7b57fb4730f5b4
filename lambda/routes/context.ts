import type { Registry } from '../registry/registry.ts'

/** What every handler works on. */
export interface Context {
  readonly registry: Registry
  /**
   * How clients reach this registry, such as `https://registry.example`, or the empty text. It comes before every path
   * that we tell clients; without it they resolve the path against the address they used. Never taken from `Host`.
   */
  readonly origin: string
}

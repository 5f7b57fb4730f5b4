/** What a token is for: `repository:<name>:pull,push`, or `registry:catalog:*` (Docker's token specification, "Scope"). */
export interface Scope {
  readonly type: string
  /** Of the type `repository`: its name, unchecked. */
  readonly name: string
  readonly actions: readonly string[]
}

const SCOPE = /^([a-z]+(?:\([a-z0-9]+\))?):(.{1,300}):([a-z*,]{0,100})$/
/** Clients ask for what one command needs; a copy between many repositories comes to a dozen. */
const MOST = 50

/** @param texts each may hold several scopes with spaces between them. What reads as none is left out */
export function parseScopes(texts: readonly string[]): Scope[] {
  const words = texts.flatMap(text => text.split(' ')).filter(Boolean)
  return words.slice(0, MOST).flatMap(word => {
    const [, type = '', name = '', actions = ''] = SCOPE.exec(word) ?? []
    return type ? [{ type, name, actions: actions.split(',').filter(Boolean) }] : []
  })
}

export function formatScope({ type, name, actions }: Scope): string {
  return `${type}:${name}:${actions.join(',')}`
}

/**
 * What a token is for: `repository:<name>:pull,push`, or `registry:catalog:*`. The grammar is that of the distribution project's
 * token documentation ("Resource Scope Grammar").
 */
export interface Scope {
  readonly type: string
  /** Of the type `repository`: its name, unchecked. It may begin with a host and a port. */
  readonly name: string
  readonly actions: readonly string[]
}

/** The type may have a class, `repository(plugin)`. It grants what the type grants, so it is left out. */
const TYPE = /^([a-z0-9]+)(?:\([a-z0-9]+\))?$/
const TYPES = ['repository', 'registry']
const ACTIONS = ['pull', 'push', 'delete', '*']
/** The name is everything between the first colon and the last: a port has a colon before it. */
const SCOPE = /^([^:]{1,100}):(.{1,300}):([^:]*)$/
/** Clients ask for what one command needs; a copy between many repositories comes to a dozen. */
const MOST = 50

/**
 * @param texts each may hold several scopes with spaces between them
 * @returns the scopes that are understood, each with the actions that are understood: one unknown word does not take the
 * others with it. At most 50.
 */
export function parseScopes(texts: readonly string[]): Scope[] {
  return texts
    .flatMap(text => text.split(' '))
    .flatMap(parseScope)
    .slice(0, MOST)
}

function parseScope(text: string): Scope[] {
  const [, typeAndClass = '', name = '', words = ''] = SCOPE.exec(text) ?? []
  const [, type = ''] = TYPE.exec(typeAndClass) ?? []
  if (!TYPES.includes(type)) return []
  const actions = words.split(',').filter(word => ACTIONS.includes(word))
  return [{ type, name, actions: [...new Set(actions)] }]
}

export function formatScope({ type, name, actions }: Scope): string {
  return `${type}:${name}:${actions.join(',')}`
}

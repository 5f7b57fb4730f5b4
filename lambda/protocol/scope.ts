/**
 * One entry of what a token allows: `repository:<name>:pull,push`, or `registry:catalog:*`. The grammar is that of the
 * token documentation of the distribution project ("Resource Scope Grammar").
 */
export interface Scope {
  readonly type: string
  /** For the type `repository`, the name of the repository, not validated. It may begin with a host and a port. */
  readonly name: string
  readonly actions: readonly string[]
}

/** The type may have a class, `repository(plugin)`. It allows the same as the type, so it is ignored. */
const TYPE = /^([a-z0-9]+)(?:\([a-z0-9]+\))?$/
const TYPES = ['repository', 'registry']
const ACTIONS = ['pull', 'push', 'delete', '*']
/** The name is the text between the first and the last colon. It may contain a colon itself, before a port. */
const SCOPE = /^([^:]{1,100}):(.{1,300}):([^:]*)$/
/** Clients request the scopes of one command. A copy between many repositories needs about a dozen. */
const MAX_SCOPES = 50

/**
 * @param texts each may contain several scopes, separated by spaces
 * @returns at most 50 scopes of known types, each with its known actions. Unknown types and actions are omitted
 */
export function parseScopes(texts: readonly string[]): Scope[] {
  return texts
    .flatMap(text => text.split(' '))
    .flatMap(parseScope)
    .slice(0, MAX_SCOPES)
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

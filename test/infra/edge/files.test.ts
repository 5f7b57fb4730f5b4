import { describe, expect, it } from 'vitest'
import { parseAst } from 'vitest/node'
import { edgeFunctionCode } from '../../../infra/edge-function.ts'

interface Node {
  readonly type: string
  readonly [field: string]: unknown
}

/** The syntax that the documentation of runtime 2.0 lists: ES 5.1, and these features of later editions. */
const LISTED = new Set([
  'ArrayExpression',
  'ArrowFunctionExpression',
  'AssignmentExpression',
  'AwaitExpression',
  'BinaryExpression',
  'BlockStatement',
  'BreakStatement',
  'CallExpression',
  'CatchClause',
  'ConditionalExpression',
  'ContinueStatement',
  'ExpressionStatement',
  'ForInStatement',
  'ForStatement',
  'FunctionDeclaration',
  'Identifier',
  'IfStatement',
  'ImportDeclaration',
  'ImportDefaultSpecifier',
  'Literal',
  'LogicalExpression',
  'MemberExpression',
  'NewExpression',
  'ObjectExpression',
  'Program',
  'Property',
  'ReturnStatement',
  'SwitchCase',
  'SwitchStatement',
  'TemplateElement',
  'TemplateLiteral',
  'ThrowStatement',
  'TryStatement',
  'UnaryExpression',
  'UpdateExpression',
  'VariableDeclaration',
  'VariableDeclarator',
  'WhileStatement',
])

/** The forms of listed nodes that the documentation does not list. */
const UNLISTED: Record<string, (node: Node) => boolean> = {
  ArrowFunctionExpression: ({ async }) => async === true,
  AssignmentExpression: ({ operator }) => ['??=', '||=', '&&='].includes(operator as string),
  // njs: "await in arguments not supported".
  CallExpression: node => (node.arguments as Node[]).some(argument => awaits(argument)),
  CatchClause: ({ param }) => param === null,
  Literal: ({ bigint, regex }) =>
    bigint != null || /[^gim]/.test((regex as { flags: string } | null)?.flags ?? ''),
  LogicalExpression: ({ operator }) => operator === '??',
  Property: ({ shorthand, computed, method }) => shorthand === true || computed === true || method === true,
}

function unlisted(source: string): string[] {
  return nodesOf(parseAst(source) as unknown as Node)
    .filter(node => !LISTED.has(node.type) || UNLISTED[node.type]?.(node))
    .map(({ type, start, end }) => `${type}: ${source.slice(start as number, end as number)}`)
}

/** Whether the expression waits itself, and not a function in it. */
function awaits(value: unknown): boolean {
  if (typeof value !== 'object' || value === null) return false
  const { type } = value as Partial<Node>
  if (type === 'AwaitExpression') return true
  return !type?.includes('Function') && Object.values(value).some(awaits)
}

function nodesOf(value: unknown): Node[] {
  if (typeof value !== 'object' || value === null) return []
  const inner = Object.values(value).flatMap(nodesOf)
  return 'type' in value && typeof value.type === 'string' ? [value as Node, ...inner] : inner
}

describe.each(['viewer-request', 'viewer-response'] as const)('the code of the function %s', name => {
  const code = edgeFunctionCode(name)

  it('is smaller than 8 KB, so that there is room below the limit of 10 KB', () => {
    expect(Buffer.byteLength(code)).toBeLessThan(8_000)
  })

  it('uses the features that the runtime is documented to have, and no others', () => {
    expect(unlisted(code)).toEqual([])
  })

  it('exports nothing, requires nothing and imports the two modules at most, first and once', () => {
    const imports = [...code.matchAll(/^import [\w$]+ from '(\w+)'$/gm)].map(([, from]) => from)

    expect(code.replaceAll(/^import .*$/gm, '')).not.toMatch(/\b(?:export|import|require|module)\b/)
    expect(imports).toEqual(name === 'viewer-request' ? ['cloudfront', 'crypto'] : [])
  })

  it('has a handler', () => {
    expect(code).toMatch(/async function handler\(event\)\{/)
  })
})

it.each([
  'const { a } = b',
  'const a = [...b]',
  'a?.b',
  'a ?? b',
  'a ??= b',
  'for (const a of b) c()',
  'const f = async () => 1',
  'const a = { b }',
  'function f(a = 1) {}',
  'class A {}',
  'try { a() } catch { b() }',
  '/a/u.test(b)',
  'export const a = 1',
  'f(await a)',
])('knows that the runtime is not documented to understand: %s', source => {
  expect(unlisted(source)).not.toEqual([])
})

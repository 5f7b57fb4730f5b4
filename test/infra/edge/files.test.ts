import { readFileSync, statSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { parseAst } from 'vitest/node'

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

function nodesOf(value: unknown): Node[] {
  if (typeof value !== 'object' || value === null) return []
  const inner = Object.values(value).flatMap(nodesOf)
  return 'type' in value && typeof value.type === 'string' ? [value as Node, ...inner] : inner
}

describe.each(['infra/edge/viewer-request.js', 'infra/edge/viewer-response.js'])('%s', path => {
  const source = readFileSync(path, 'utf8')

  it('is smaller than 10 KB as it is', () => {
    expect(statSync(path).size).toBeLessThan(10_000)
  })

  it('is written in what the runtime is documented to understand', () => {
    expect(unlisted(source)).toEqual([])
  })

  it('exports nothing, requires nothing and imports no more than the two modules', () => {
    const imports = [...source.matchAll(/^import .*$/gm)].map(([line]) => line)

    expect(source).not.toMatch(/\bexport\b|\brequire\b|\bmodule\b\./)
    expect(["import cf from 'cloudfront'", "import crypto from 'crypto'"]).toEqual(
      expect.arrayContaining(imports),
    )
  })

  it('has a handler', () => {
    expect(source).toMatch(/^async function handler\(event\) \{$/m)
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
])('reports syntax that the documentation of the runtime does not list: %s', source => {
  expect(unlisted(source)).not.toEqual([])
})

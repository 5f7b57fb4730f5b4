import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'

/** A table of a page, without its formatting. */
interface MarkdownTable {
  readonly head: readonly string[]
  readonly rows: readonly (readonly string[])[]
}

const TABLES = tablesIn('docs/costs.md')
const README = new Map(
  tablesIn('README.md')
    .flatMap(({ rows }) => rows)
    .map(([name = '', figure = '']) => [name, figure]),
)

/** Prices by item. The total of a calculation is the price of what it calculates. */
const PRICES = new Map(
  TABLES.filter(({ head }) => head[0] === 'item')
    .flatMap(({ rows }) => rows)
    .map(([item = '', price = '']) => [item, numberIn(price)]),
)

/** The tables that multiply prices by amounts, in the order of the page: each may use the totals of those above it. */
const CALCULATIONS = TABLES.filter(({ head }) => head[1] === 'amount').map(({ head: [name = ''], rows }) => {
  const steps = rows.slice(0, -1).map(([item = '', amount = '', cost = '']) => {
    const price = PRICES.get(item) ?? Number.NaN
    return { item, cost, computed: price * numberIn(amount) }
  })
  const total = steps.reduce((sum, { computed }) => sum + computed, 0)
  PRICES.set(name, total)
  return { name, steps, total, last: rows.at(-1) ?? [] }
})

const [COMPARISON] = TABLES.filter(({ head }) => head.at(-1) === 'ECR')

describe('docs/costs.md', () => {
  it('has prices, calculations and a comparison', () => {
    expect(PRICES.size).toBeGreaterThan(20)
    expect(CALCULATIONS.length).toBeGreaterThan(10)
    expect(COMPARISON?.rows.length).toBeGreaterThan(2)
  })

  it.each(CALCULATIONS)('calculates each cost and the total: $name', ({ steps, total, last }) => {
    for (const { item, cost, computed } of steps) expectRounded(computed, cost, item)
    expect(last[0]).toBe('total')
    expectRounded(total, last[2] ?? '', 'total')
  })

  it.each(COMPARISON?.rows ?? [])('compares the costs of a registry with those of ECR: %s', (...cells) => {
    const [, stored = 0, pushes = 0, pushed = 0, pulls = 0] = cells.map(numberIn)
    const longshore =
      stored * price('S3 storage') +
      (pushes / 1e6) * price('push of an image with ten layers, all new') +
      pushed * price('traffic from CloudFront to an origin') +
      (pulls / 1e6) * price('pull of an image with ten layers')

    expectRounded(longshore, cells[5] ?? '', 'Longshore')
    expectRounded(stored * price('ECR storage'), cells[6] ?? '', 'ECR')
  })
})

describe('The relay of a default deployment', () => {
  it('costs less than a dollar a month while it is stopped', () => {
    expect(price('the relay, stopped')).toBeLessThan(1)
  })
})

describe('README.md', () => {
  it.each([
    ['storage, per GB and month', 'S3 storage'],
    ['bytes pushed, per GB', 'traffic from CloudFront to an origin'],
    ['a million pulls of an image with ten layers', 'pull of an image with ten layers'],
    ['a million pushes of an image with ten layers, all new', 'push of an image with ten layers, all new'],
    ['an hour of the relay', 't4g.small instance'],
    ['the relay, per month: stopped all the time', 'the relay, stopped'],
    ['the relay, per month: eight hours on working days', 'the relay, eight hours on working days'],
    ['the relay with `relay=fargate`, per month', 'the relay on Fargate'],
  ])('has the figure of docs/costs.md: %s', (row, item) => {
    expectRounded(price(item), README.get(row) ?? '', row)
  })
})

function price(item: string): number {
  return PRICES.get(item) ?? Number.NaN
}

/** The figure must be the value, rounded to as many decimals as the figure has. */
function expectRounded(value: number, figure: string, what: string): void {
  const decimals = figure.split('.')[1]?.length ?? 0
  expect(Math.abs(value - numberIn(figure)), `${what}: ${figure}, computed ${value}`).toBeLessThanOrEqual(
    0.501 * 10 ** -decimals,
  )
}

/** The number with which a cell begins, `NaN` if there is none. */
function numberIn(cell: string): number {
  const [digits] = /^\d[\d,]*(?:\.\d+)?/.exec(cell) ?? []
  return digits === undefined ? Number.NaN : Number(digits.replaceAll(',', ''))
}

function tablesIn(path: string): MarkdownTable[] {
  const tables = readFileSync(path, 'utf8').match(/(?:^\|.*\n)+/gm) ?? []
  return tables.map(table => {
    const [head = [], , ...rows] = table.trimEnd().split('\n').map(cellsOf)
    return { head, rows }
  })
}

function cellsOf(row: string): string[] {
  return row
    .split('|')
    .slice(1, -1)
    .map(cell => cell.replaceAll('**', '').trim())
}

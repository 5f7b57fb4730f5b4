import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'

const COSTS = readFileSync('docs/costs.md', 'utf8')
const TOLD = /([^=|.:]*(?:\.\d[^=|.:]*)*) = \**(\d[\d.]*\d|\d)/g

/** Each sum with what it is said to come to. Of a term what counts is its end: a number, or a product of some. */
const SUMS = [...COSTS.replaceAll(/\n(?!\n|\|)/g, ' ').matchAll(TOLD)].map(
  ([text, terms = '', told = '']) => {
    const values = terms.split(' + ').map(term => {
      const [product = ''] = /[\d.]+(?: × [\d.]+)*$/.exec(term) ?? []
      return product.split(' × ').reduce((all, factor) => all * Number(factor), 1)
    })
    return { text: text.trim(), sum: values.reduce((all, value) => all + value, 0), told }
  },
)

describe('docs/costs.md', () => {
  it('has sums to be checked', () => {
    expect(SUMS.length).toBeGreaterThan(10)
  })

  it.each(SUMS)('adds up: $text', ({ sum, told }) => {
    const decimals = told.split('.')[1]?.length ?? 0
    expect(Math.abs(sum - Number(told))).toBeLessThanOrEqual(0.501 * 10 ** -decimals)
  })

  it('adds up the steps of a new blob', () => {
    const [, table = ''] = /\| step \|([\s\S]*?)\*\*/.exec(COSTS) ?? []
    const steps = [...table.matchAll(/= ([\d.]+) \|/g)].map(([, value]) => Number(value))
    const [, together] = /together \| \*\*([\d.]+)/.exec(COSTS) ?? []
    expect(steps).toHaveLength(5)
    expect(steps.reduce((all, step) => all + step, 0)).toBeCloseTo(Number(together), 1)
  })

  it.each([
    ['a million pulls of an image with ten layers', /\*\*(\d+) per million images\*\*, and no traffic/],
    ['a million pushes of an image with ten layers, all new', /\*\*(\d+) per million images\*\*, and one/],
    ['the relay, per month', /come to about (\d+) a month/],
  ])('has the figure of README for %s', (row, figure) => {
    const [, inReadme] =
      new RegExp(`^\\| ${row} \\| (\\d+) \\|`, 'm').exec(readFileSync('README.md', 'utf8')) ?? []
    const [, inCosts] = figure.exec(COSTS) ?? []
    expect(inReadme).toBeDefined()
    expect(inReadme).toBe(inCosts)
  })
})

import type { Change, Item, Json, Value } from '../table.ts'

/**
 * A row of the SQLite table. Both columns hold a JSON object with the names of attributes: `bytes` contains the
 * attributes that are bytes, as base64, and is null if there are none; `attributes` contains all others. With two
 * columns, no name or value must be reserved to mark bytes.
 */
export interface Row {
  readonly sort: string
  readonly attributes: string
  readonly bytes: string | null
}

export function encodeItem({ partition: _, sort, ...item }: Item): Row {
  const attributes: [string, Json][] = []
  const bytes: [string, string][] = []
  for (const [name, value] of Object.entries(item)) {
    if (value instanceof Uint8Array) bytes.push([name, base64(value)])
    else if (value !== undefined) attributes.push([name, value])
  }
  return {
    sort,
    attributes: JSON.stringify(Object.fromEntries(attributes)),
    bytes: bytes.length > 0 ? JSON.stringify(Object.fromEntries(bytes)) : null,
  }
}

export function decodeItem(partition: string, { sort, attributes, bytes }: Row): Item {
  const item: Record<string, Value> = JSON.parse(attributes)
  if (bytes === null) return { partition, sort, ...item }
  for (const [name, text] of Object.entries<string>(JSON.parse(bytes)))
    item[name] = Buffer.from(text, 'base64')
  return { partition, sort, ...item }
}

/** Returns the item after an update. @throws {TypeError} for an addition to an attribute that is not a number */
export function applyChange(item: Item, { set = {}, add = {} }: Change): Item {
  const next: Record<string, Value | undefined> = { ...item, ...set }
  for (const [name, amount] of Object.entries(add)) {
    const sum = next[name] ?? 0
    if (typeof sum !== 'number') throw new TypeError(`cannot add to ${name}: the attribute must be a number`)
    next[name] = sum + amount
  }
  return { ...next, partition: item.partition, sort: item.sort }
}

function base64(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('base64')
}

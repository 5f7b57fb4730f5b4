import type { AttributeValue } from '@aws-sdk/client-dynamodb'
import type { Item, Json, Key, Value } from '../table.ts'

export type Attributes = Record<string, AttributeValue>

/** An item as DynamoDB keeps it. Attributes that are `undefined` are left out. */
export function attributesOf(item: Item | Key): Attributes {
  return mapOf(item)
}

/** The names are a client's in part (annotations), `__proto__` included: entries, unlike assignment, take any. */
export function itemOf(attributes: Attributes): Item {
  return Object.fromEntries(Object.entries(attributes).map(([name, one]) => [name, plainOf(one)])) as Item
}

export function attributeOf(value: Value): AttributeValue {
  if (value instanceof Uint8Array) return { B: value }
  if (typeof value === 'string') return { S: value }
  if (typeof value === 'number') return { N: String(value) }
  if (typeof value === 'boolean') return { BOOL: value }
  if (value === null) return { NULL: true }
  if (isList(value)) return { L: value.map(attributeOf) }
  return { M: mapOf(value) }
}

function mapOf(members: Readonly<Record<string, Value | undefined>>): Attributes {
  const given = Object.entries(members).filter((entry): entry is [string, Value] => entry[1] !== undefined)
  return Object.fromEntries(given.map(([name, value]) => [name, attributeOf(value)]))
}

/** Only what {@link attributeOf} writes: no sets. */
function plainOf(attribute: AttributeValue): Value {
  if (attribute.S !== undefined) return attribute.S
  if (attribute.N !== undefined) return Number(attribute.N)
  if (attribute.B !== undefined) return attribute.B
  if (attribute.BOOL !== undefined) return attribute.BOOL
  if (attribute.L !== undefined) return attribute.L.map(one => plainOf(one) as Json)
  return attribute.M === undefined ? null : (itemOf(attribute.M) as Json)
}

/** `Array.isArray` does not tell a readonly list from the other values. */
function isList(value: Value): value is readonly Json[] {
  return Array.isArray(value)
}

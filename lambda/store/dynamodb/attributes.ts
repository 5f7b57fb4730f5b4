import type { AttributeValue } from '@aws-sdk/client-dynamodb'
import type { Item, Json, Key, Value } from '../table.ts'

export type Attributes = Record<string, AttributeValue>

/** Converts an item or a key to DynamoDB's format. Attributes that are `undefined` are left out. */
export function attributesOf(item: Item | Key): Attributes {
  return mapOf(item)
}

/**
 * Converts an item from DynamoDB's format. Clients choose some of the names (annotations), and may choose `__proto__`:
 * `Object.fromEntries` sets it as an ordinary property, and an assignment would not.
 */
export function itemOf(attributes: Attributes): Item {
  return Object.fromEntries(
    Object.entries(attributes).map(([name, one]) => [name, fromAttribute(one)]),
  ) as Item
}

/** Converts a value to DynamoDB's format. */
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
  const present = Object.entries(members).filter((entry): entry is [string, Value] => entry[1] !== undefined)
  return Object.fromEntries(present.map(([name, value]) => [name, attributeOf(value)]))
}

/** The inverse of {@link attributeOf}, which writes no sets. */
function fromAttribute(attribute: AttributeValue): Value {
  if (attribute.S !== undefined) return attribute.S
  if (attribute.N !== undefined) return Number(attribute.N)
  if (attribute.B !== undefined) return attribute.B
  if (attribute.BOOL !== undefined) return attribute.BOOL
  if (attribute.L !== undefined) return attribute.L.map(one => fromAttribute(one) as Json)
  return attribute.M === undefined ? null : (itemOf(attribute.M) as Json)
}

/** `Array.isArray` alone does not narrow the type to a readonly array. */
function isList(value: Value): value is readonly Json[] {
  return Array.isArray(value)
}

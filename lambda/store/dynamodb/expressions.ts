import type { Change, Condition, Value, Write } from '../table.ts'
import { type Attributes, attributeOf } from './attributes.ts'

/** The parameters of a write request that concern attributes. Unused ones are absent: DynamoDB rejects empty values. */
interface Expression {
  readonly ConditionExpression?: string
  readonly UpdateExpression?: string
  readonly ExpressionAttributeNames?: Record<string, string>
  readonly ExpressionAttributeValues?: Attributes
}

/**
 * Collects the placeholders of an expression. Every name gets one, because DynamoDB reserves words such as `partition`
 * and `size`.
 */
class Placeholders {
  readonly #names = new Map<string, string>()
  readonly #values: Attributes = {}

  name(name: string): string {
    const placeholder = this.#names.get(name) ?? `#${this.#names.size}`
    this.#names.set(name, placeholder)
    return placeholder
  }

  value(value: Value): string {
    const placeholder = `:${Object.keys(this.#values).length}`
    this.#values[placeholder] = attributeOf(value)
    return placeholder
  }

  get parameters(): Expression {
    return {
      ...(this.#names.size > 0 && {
        ExpressionAttributeNames: Object.fromEntries(
          [...this.#names].map(([name, placeholder]) => [placeholder, name]),
        ),
      }),
      ...(Object.keys(this.#values).length > 0 && { ExpressionAttributeValues: this.#values }),
    }
  }
}

/** Returns the condition and the update of a write as DynamoDB expressions. */
export function expressionOf(write: Write): Expression {
  const placeholders = new Placeholders()
  const update = 'update' in write && updateText(write.change, placeholders)
  return {
    ...(write.if !== undefined && { ConditionExpression: conditionText(write.if, placeholders) }),
    ...(update && { UpdateExpression: update }),
    ...placeholders.parameters,
  }
}

function conditionText(condition: Condition, placeholders: Placeholders): string {
  const key = placeholders.name('partition')
  if (condition === 'absent') return `attribute_not_exists(${key})`
  const present = `attribute_exists(${key})`
  if (condition === 'present') return present
  // In DynamoDB a comparison between types, or with an absent attribute, is false, as the port requires.
  return [
    present,
    ...Object.entries(condition).map(
      ([name, test]) => `${placeholders.name(name)} = ${placeholders.value(test)}`,
    ),
  ].join(' AND ')
}

function updateText({ set = {}, add = {} }: Change, placeholders: Placeholders): string {
  const clause = (verb: string, parts: string[]) => (parts.length > 0 ? [`${verb} ${parts.join(', ')}`] : [])
  return [
    ...clause(
      'SET',
      Object.entries(set).map(([name, value]) => `${placeholders.name(name)} = ${placeholders.value(value)}`),
    ),
    ...clause(
      'ADD',
      Object.entries(add).map(([name, amount]) => `${placeholders.name(name)} ${placeholders.value(amount)}`),
    ),
  ].join(' ')
}

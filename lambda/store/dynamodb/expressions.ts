import type { Change, Condition, Value, Write } from '../table.ts'
import { type Attributes, attributeOf } from './attributes.ts'

/** The parts of a request that speak of attributes. What is not needed is absent: DynamoDB takes no empty ones. */
interface Expression {
  readonly ConditionExpression?: string
  readonly UpdateExpression?: string
  readonly ExpressionAttributeNames?: Record<string, string>
  readonly ExpressionAttributeValues?: Attributes
}

/** Every name goes under an alias, for DynamoDB reserves words such as `partition` and `size`. */
class Aliases {
  readonly #names = new Map<string, string>()
  readonly #values: Attributes = {}

  name(name: string): string {
    const alias = this.#names.get(name) ?? `#${this.#names.size}`
    this.#names.set(name, alias)
    return alias
  }

  value(value: Value): string {
    const alias = `:${Object.keys(this.#values).length}`
    this.#values[alias] = attributeOf(value)
    return alias
  }

  get used(): Expression {
    return {
      ...(this.#names.size > 0 && {
        ExpressionAttributeNames: Object.fromEntries([...this.#names].map(([name, alias]) => [alias, name])),
      }),
      ...(Object.keys(this.#values).length > 0 && { ExpressionAttributeValues: this.#values }),
    }
  }
}

export function expressionOf(write: Write): Expression {
  const aliases = new Aliases()
  const update = 'update' in write && updateText(write.change, aliases)
  return {
    ...(write.if !== undefined && { ConditionExpression: conditionText(write.if, aliases) }),
    ...(update && { UpdateExpression: update }),
    ...aliases.used,
  }
}

function conditionText(condition: Condition, aliases: Aliases): string {
  const key = aliases.name('partition')
  if (condition === 'absent') return `attribute_not_exists(${key})`
  const present = `attribute_exists(${key})`
  if (condition === 'present') return present
  // A comparison of values of different types, or with an absent attribute, does not hold: as the port requires.
  return [
    present,
    ...Object.entries(condition).map(([name, test]) => `${aliases.name(name)} = ${aliases.value(test)}`),
  ].join(' AND ')
}

function updateText({ set = {}, add = {} }: Change, aliases: Aliases): string {
  const clause = (verb: string, parts: string[]) => (parts.length > 0 ? [`${verb} ${parts.join(', ')}`] : [])
  return [
    ...clause(
      'SET',
      Object.entries(set).map(([name, value]) => `${aliases.name(name)} = ${aliases.value(value)}`),
    ),
    ...clause(
      'ADD',
      Object.entries(add).map(([name, amount]) => `${aliases.name(name)} ${aliases.value(amount)}`),
    ),
  ].join(' ')
}

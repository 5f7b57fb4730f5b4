import { loadAwsServiceSpecSync } from '@aws-cdk/aws-service-spec'

/** A CloudFormation template. */
export interface Template {
  readonly Resources: Record<string, TemplateResource>
  readonly Outputs?: Record<string, { Value: unknown; Description?: string }>
}

export interface TemplateResource {
  readonly Type: string
  readonly Properties?: Record<string, unknown>
  readonly DependsOn?: readonly string[]
  readonly DeletionPolicy?: string
  readonly UpdateReplacePolicy?: string
}

type Database = ReturnType<typeof loadAwsServiceSpecSync>
type Properties = ReturnType<typeof definitionOf>['properties']
type Type = Properties[string]['type']

let database: Database | undefined

/**
 * Checks a template against the resource schemas of AWS. Returns one line for each unknown resource type, unknown or
 * missing property, value of the wrong type, and value that is not allowed. Intrinsic functions (`Ref` and `Fn::…`) are
 * valid everywhere, because their values are known only on deployment. Custom resources are not checked: they have no
 * schema.
 */
export function schemaMistakes({ Resources }: Template): string[] {
  database ??= loadAwsServiceSpecSync()
  const db = database
  return Object.entries(Resources).flatMap(([id, { Type, Properties = {} }]) => {
    if (Type.startsWith('Custom::')) return []
    const [schema] = db.lookup('resource', 'cloudFormationType', 'equals', Type)
    return schema
      ? objectMistakes(db, Properties, schema.properties, id)
      : [`${id}: there is no type ${Type}`]
  })
}

function objectMistakes(db: Database, value: object, properties: Properties, path: string): string[] {
  const missing = Object.entries(properties)
    .filter(([name, { required }]) => required && !Object.hasOwn(value, name))
    .map(([name]) => `${path}.${name} is missing`)
  const wrong = Object.entries(value).flatMap(([name, inner]) => {
    const property = Object.hasOwn(properties, name) ? properties[name] : undefined
    if (!property) return [`${path}.${name} is unknown`]
    const types = [property.type, ...(property.previousTypes ?? [])]
    return oneOfMistakes(db, inner, types, `${path}.${name}`)
  })
  return [...missing, ...wrong]
}

/** Returns no mistakes when the value has one of the types. Otherwise returns those for the first type, the newest. */
function oneOfMistakes(db: Database, value: unknown, types: readonly Type[], path: string): string[] {
  const all = types.map(type => valueMistakes(db, value, type, path))
  return all.some(mistakes => mistakes.length === 0) ? [] : (all[0] ?? [])
}

function valueMistakes(db: Database, value: unknown, type: Type, path: string): string[] {
  if (isReference(value)) return []
  switch (type.type) {
    case 'string': {
      const { allowedValues } = type
      if (typeof value !== 'string') return [`${path} must be a string`]
      return allowedValues && !allowedValues.includes(value)
        ? [`${path} must be one of ${allowedValues}`]
        : []
    }
    case 'integer':
      return Number.isInteger(value) ? [] : [`${path} must be a whole number`]
    case 'number':
      return typeof value === 'number' ? [] : [`${path} must be a number`]
    case 'boolean':
      return typeof value === 'boolean' ? [] : [`${path} must be true or false`]
    case 'date-time':
      return typeof value === 'string' ? [] : [`${path} must be a time`]
    case 'array':
      if (!Array.isArray(value)) return [`${path} must be a list`]
      return value.flatMap((item, i) => valueMistakes(db, item, type.element, `${path}[${i}]`))
    case 'map':
      if (!isObject(value)) return [`${path} must be an object`]
      return Object.entries(value).flatMap(([key, item]) =>
        valueMistakes(db, item, type.element, `${path}.${key}`),
      )
    case 'ref':
      if (!isObject(value)) return [`${path} must be an object`]
      return objectMistakes(db, value, definitionOf(db, type.reference).properties, path)
    case 'union':
      return oneOfMistakes(db, value, type.types, path)
    case 'tag':
      return isObject(value) && typeof value.Key === 'string' ? [] : [`${path} must be a tag`]
    case 'null':
      return value === null ? [] : [`${path} must be null`]
    case 'json':
      return []
  }
}

function definitionOf(db: Database, reference: { $ref: string }) {
  return db.get('typeDefinition', reference)
}

function isReference(value: unknown): boolean {
  if (!isObject(value)) return false
  const [key, ...others] = Object.keys(value)
  return others.length === 0 && key !== undefined && (key === 'Ref' || key.startsWith('Fn::'))
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

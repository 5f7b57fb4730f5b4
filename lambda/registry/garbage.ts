import { keys } from '../store/keys.ts'
import type { Garbage } from '../store/records.ts'
import type { Write } from '../store/table.ts'
import type { Dependencies } from './dependencies.ts'

/** The write that puts something on the collector's list for the time `due`. */
export function discardLater({ newId }: Pick<Dependencies, 'newId'>, due: number, garbage: Garbage): Write {
  return { put: { ...keys.garbage(due, newId()), due, ...garbage } }
}

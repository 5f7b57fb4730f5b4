// The module of CloudFront's runtime: origins, and the items of the KeyValueStore. Only this file imports it, so that the bundle
// imports it once.
import cf from 'cloudfront'

/** The current key, or the current and the previous one. Throws when there are none. */
export function keysItem() {
  return cf.kvs().get('keys')
}

/** The value of another item. Undefined if there is none. Throws if the function cannot read its KeyValueStore. */
export async function item(name) {
  const items = cf.kvs()
  return (await items.exists(name)) ? await items.get(name) : undefined
}

/** `api`, `bucket` or `relay`: the origin ids of infra/constructs/edge.ts. */
export function selectOrigin(id) {
  cf.selectRequestOriginById(id)
}

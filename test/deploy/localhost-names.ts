import dns, { type LookupOptions } from 'node:dns'

/*
 * Loaded by the functions that MiniStack runs (`node --import`). The SDK puts the account id before the host of a KeyValueStore, and
 * Debian does not resolve `<account>.<name>.localhost`, which RFC 6761 reserves for the loopback interface.
 */
const { lookup } = dns

dns.lookup = ((host: string, ...rest: [LookupOptions, () => void]) =>
  lookup(host.endsWith('.localhost') ? '127.0.0.1' : host, ...rest)) as typeof lookup

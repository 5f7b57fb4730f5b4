import type { Digest } from '../protocol/digest.ts'
import type { RepositoryName } from '../protocol/name.ts'
import type { Tag, UploadId } from '../protocol/reference.ts'
import type { Key } from './table.ts'

/*
 * Every key that the registry writes. No name, tag, digest or id contains `#`, so two different keys are never equal.
 *
 *   partition            sort                               row
 *   repositories         <name>                             RepositoryRow
 *   repository#<name>    tag#<tag>                          TagRow
 *                        tagged#<digest>#<tag>              the tag points to the manifest
 *                        manifest#<digest>                  ManifestRow
 *                        parent#<child>#<parent>#<push>     the index lists the manifest; the push that wrote the row
 *                        referrer#<subject>#<digest>        ReferrerRow
 *                        blob#<digest>                      LinkRow: the repository holds the blob
 *                        ref#<blob>#<manifest>#<push>       the manifest needs the blob; the push that wrote the row
 *                        upload#<id>                        UploadRow
 * blob#<digest> object BlobRow: the object that holds the bytes, for all repositories garbage#<shard> <due>#<id>
 *   GarbageRow: work for the collector accounts <name> AccountRow: a user or a robot policy current PolicyRow: the
 *   access policy refresh <hash of the token> RefreshRow: a refresh token logins <bucket> FailuresRow: recent failed
 *   logins
 */

const repository = (name: RepositoryName) => `repository#${name}`

export const REPOSITORIES = 'repositories'
export const ACCOUNTS = 'accounts'
const POLICY = 'policy'
const REFRESH = 'refresh'
const LOGINS = 'logins'

/** The partitions that decide about access. Only the code that serves requests reads or writes them. */
export const ACCESS_PARTITIONS: readonly string[] = [ACCOUNTS, POLICY, REFRESH, LOGINS]

export const keys = {
  repository: (name: RepositoryName): Key => ({ partition: REPOSITORIES, sort: name }),
  tag: (name: RepositoryName, tag: Tag): Key => ({ partition: repository(name), sort: `tag#${tag}` }),
  tagged: (name: RepositoryName, digest: Digest, tag: Tag): Key => ({
    partition: repository(name),
    sort: `tagged#${digest}#${tag}`,
  }),
  manifest: (name: RepositoryName, digest: Digest): Key => ({
    partition: repository(name),
    sort: `manifest#${digest}`,
  }),
  parent: (name: RepositoryName, child: Digest, parent: Digest, push: string): Key => ({
    partition: repository(name),
    sort: `parent#${child}#${parent}#${push}`,
  }),
  referrer: (name: RepositoryName, subject: Digest, digest: Digest): Key => ({
    partition: repository(name),
    sort: `referrer#${subject}#${digest}`,
  }),
  link: (name: RepositoryName, blob: Digest): Key => ({ partition: repository(name), sort: `blob#${blob}` }),
  ref: (name: RepositoryName, blob: Digest, manifest: Digest, push: string): Key => ({
    partition: repository(name),
    sort: `ref#${blob}#${manifest}#${push}`,
  }),
  upload: (name: RepositoryName, upload: UploadId): Key => ({
    partition: repository(name),
    sort: `upload#${upload}`,
  }),
  blob: (digest: Digest): Key => ({ partition: `blob#${digest}`, sort: 'object' }),
  account: (name: string): Key => ({ partition: ACCOUNTS, sort: name }),
  policy: { partition: POLICY, sort: 'current' } as Key,
  refresh: (hash: string): Key => ({ partition: REFRESH, sort: hash }),
  failures: (bucket: string): Key => ({ partition: LOGINS, sort: bucket }),
  garbage: (due: number, id: string): Key => ({ partition: garbageShard(id), sort: `${dueText(due)}#${id}` }),
}

/** Key ranges within a repository's partition, for queries. */
export const ranges = {
  tags: (name: RepositoryName) => ({ partition: repository(name), prefix: 'tag#' }),
  manifests: (name: RepositoryName) => ({ partition: repository(name), prefix: 'manifest#' }),
  tagged: (name: RepositoryName, digest: Digest) => ({
    partition: repository(name),
    prefix: `tagged#${digest}#`,
  }),
  parents: (name: RepositoryName, child: Digest) => ({
    partition: repository(name),
    prefix: `parent#${child}#`,
  }),
  referrers: (name: RepositoryName, subject: Digest) => ({
    partition: repository(name),
    prefix: `referrer#${subject}#`,
  }),
  uploads: (name: RepositoryName) => ({ partition: repository(name), prefix: 'upload#' }),
  refs: (name: RepositoryName, blob: Digest) => ({ partition: repository(name), prefix: `ref#${blob}#` }),
}

const SHARDS = [...'0123456789abcdef']

/** The partitions that hold garbage rows. Ids are random hex, so their first digit spreads the load evenly. */
export const GARBAGE_SHARDS: readonly string[] = SHARDS.map(shard => `garbage#${shard}`)

function garbageShard(id: string): string {
  return `garbage#${id.charAt(0)}`
}

/**
 * Milliseconds since 1970 in fixed width, so that the order of the texts is the order of the times (until the year
 * 33658).
 */
function dueText(due: number): string {
  return String(due).padStart(15, '0')
}

import { parseRepositoryName, type RepositoryName } from '../protocol/name.ts'
import { parseReference, parseTag, type Reference, type Tag } from '../protocol/reference.ts'
import { ClientError } from './client-error.ts'

/** Where an image is: `registry.example/team/app:v1`. */
export interface ImageName {
  /** As written: a host with an optional port, or an origin such as `http://registry.example`. */
  readonly registry: string
  readonly repository: RepositoryName
  readonly reference: Reference
  /** Whether the name has a tag or a digest. Otherwise the reference is the tag `latest`. */
  readonly isExplicit: boolean
}

const FORM = /^((?:https?:\/\/)?[^/]+)\/(.+)$/
/** A tag or a digest after the last component of the repository. A digest may follow a tag, which is then ignored. */
const REPOSITORY = /^([^:@]+)(?::([^/:@]+))?(?:@(.+))?$/

/**
 * Parses an image name that begins with a registry. The tag `latest` is the default, as for Docker.
 * @throws {ClientError} for a name without a registry, because clients disagree about which one it means
 */
export function parseImageName(text: string): ImageName {
  const [, registry = '', rest = ''] = FORM.exec(text) ?? []
  if (!isRegistry(registry))
    throw new ClientError(
      `"${text}" must begin with a registry, such as docker.io/library/alpine:3 or registry.example/team/app:v1`,
    )
  const [, name = '', tag, digest] = REPOSITORY.exec(rest) ?? []
  try {
    return {
      registry,
      repository: parseRepositoryName(
        isDockerHub(registry) && !name.includes('/') ? `library/${name}` : name,
      ),
      reference: parseReference(digest ?? tag ?? 'latest'),
      isExplicit: (digest ?? tag) !== undefined,
    }
  } catch (error) {
    throw new ClientError(`"${text}" is not an image name: ${(error as Error).message}`)
  }
}

/** By the rule of Docker: the first component is a registry when it has a dot or a port, or is `localhost`. */
function isRegistry(component: string): boolean {
  return /^https?:\/\/./.test(component) || /[.:]/.test(component) || component === 'localhost'
}

/** Docker Hub has a host in image names, another one for its API, and a third under which Docker stores logins. */
export function isDockerHub(registry: string): boolean {
  return ['docker.io', 'index.docker.io', 'registry-1.docker.io'].includes(
    registry.replace(/^https:\/\//, ''),
  )
}

/** The part after the repository, with its separator: `:v1` or `@sha256:…`. */
export function formatReference(reference: Reference): string {
  return reference.kind === 'tag' ? `:${reference.tag}` : `@${reference.digest}`
}

export function formatImageName({ registry, repository, reference }: Omit<ImageName, 'isExplicit'>): string {
  return `${registry}/${repository}${formatReference(reference)}`
}

/** None for text that is no tag. */
export function validTag(text: string): Tag[] {
  try {
    return [parseTag(text)]
  } catch {
    return []
  }
}

/** The tag, or the digest, as it is in URLs. */
export function referenceText(reference: Reference): string {
  return reference.kind === 'tag' ? reference.tag : reference.digest
}

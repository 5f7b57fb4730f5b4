import { readFileSync } from 'node:fs'
import { join } from 'node:path'

/** Path of the pinned images. `npm run refresh-amis` writes it. */
export const AMIS_FILE = join(import.meta.dirname, 'amis.json')

/** The images of the relay's instance: Amazon Linux 2023 for arm64. */
export interface Amis {
  /** Where the ids are from, and when. */
  readonly source: string
  /** Name of the image, the same in all regions. */
  readonly image: string
  /** Release of the packages that instances are upgraded to, such as `2023.12.20261012`. Not older than the image. */
  readonly packages: string
  /** Ids of the image by region. */
  readonly regions: Readonly<Record<string, string>>
}

/**
 * The ids are pinned, because a new image makes a new instance and a new VPC origin. The newest image of each day, as the CDK and
 * CloudFormation can look it up, would do so in deployments that change something else.
 */
export function readAmis(): Amis {
  return JSON.parse(readFileSync(AMIS_FILE, 'utf8'))
}

import type { Amis } from './amis.ts'

/** Where image ids and names are from. Both throw where AWS refuses, for example in a region that the account has not enabled. */
export interface AmiSource {
  /** Id of the newest image in a region. */
  idIn(region: string): Promise<string>
  /** Name of an image of the home region, such as `al2023-ami-2023.12.20260727.0-kernel-6.1-arm64`. */
  nameOf(id: string): Promise<string>
}

/**
 * @param home the region whose image gives the name and the release
 * @returns the newest image of each region that is pinned already, and the regions that keep their image, with the reason
 * @throws {Error} when the home region is among them
 */
export async function newestAmis(
  pinned: Amis,
  source: AmiSource,
  home: string,
): Promise<{ amis: Amis; failures: [region: string, reason: string][] }> {
  const image = await source.nameOf(await source.idIn(home))
  const failures: [string, string][] = []
  const regions: Record<string, string> = {}
  for (const [region, old] of Object.entries(pinned.regions)) {
    try {
      const id = await source.idIn(region)
      if (!/^ami-[0-9a-f]{8,17}$/.test(id)) throw new Error(`"${id}" must be the id of an image`)
      regions[region] = id
    } catch (error) {
      regions[region] = old
      failures.push([region, (error as Error).message])
    }
  }
  return { amis: { ...pinned, image, packages: releaseOf(image), regions }, failures }
}

/** The release of the packages of the newest image. */
export async function newestPackages(source: AmiSource, home: string): Promise<string> {
  return releaseOf(await source.nameOf(await source.idIn(home)))
}

function releaseOf(image: string): string {
  const release = /^al2023-ami-(2023\.\d+\.\d{8})\.\d+-/.exec(image)?.[1]
  if (release === undefined) throw new Error(`"${image}" must be the name of an image of Amazon Linux 2023`)
  return release
}

import type { Command } from 'commander'
import { repositoryName, taggedName } from '../arguments.ts'
import type { CliContext } from '../context.ts'

/** `longshore tag ...` */
export function addTagCommands(program: Command, context: CliContext): void {
  const tag = program.command('tag').description('list and remove tags')
  tag
    .command('list')
    .description('list the tags of a repository')
    .argument('<repository>', 'such as team/app', repositoryName)
    .action(
      context.onRegistry((registry, repository: string) =>
        registry.pages(`/v2/${repository}/tags/list`, 'tags'),
      ),
    )
  tag
    .command('remove')
    .description('remove a tag; the manifest stays')
    .argument('<repository:tag>', 'such as team/app:v1', taggedName)
    .action(
      context.onRegistry((registry, { repository, tag }: ReturnType<typeof taggedName>) =>
        registry.request('DELETE', `/v2/${repository}/manifests/${tag}`),
      ),
    )
}

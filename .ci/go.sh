# Sets up Go for the scripts that build programs into .ci/tools/bin. They source this file from a folder directly below this one.

TOOLCHAIN=go1.26.0

# Go writes only to .ci/tools, which git ignores.
tools=$(cd .. && pwd)/tools
export GOPATH=$tools/gopath GOCACHE=$tools/gocache GOBIN=$tools/bin
export GOTOOLCHAIN=local GOFLAGS='-buildvcs=false -modcacherw'
mkdir -p "$GOBIN"

recent() {
  go version | awk '{ split(substr($3, 3), v, "."); exit !(v[1] > 1 || v[2] >= 26) }'
}

# Debian's Go is older than the programs require, but it can download a newer Go as a module and verify its checksum.
if ! recent; then
  module=golang.org/toolchain@v0.0.1-$TOOLCHAIN.$(go env GOOS)-$(go env GOARCH)
  folder=$(cd "$tools" && go mod download -json "$module" | sed -n 's/^.*"Dir": "\(.*\)".*$/\1/p')
  chmod -R u+x "$folder/bin" "$folder/pkg/tool"
  export GOROOT=$folder PATH=$folder/bin:$PATH
fi
go version

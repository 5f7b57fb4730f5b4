# For the scripts that build Go programs into .ci/tools/bin; they source it from their own folder, a folder below this.

TOOLCHAIN=go1.26.0

# Everything that Go writes stays in the clone, in a folder that git ignores.
tools=$(cd .. && pwd)/tools
export GOPATH=$tools/gopath GOCACHE=$tools/gocache GOBIN=$tools/bin
export GOTOOLCHAIN=local GOFLAGS='-buildvcs=false -modcacherw'
mkdir -p "$GOBIN"

recent() {
  go version | awk '{ split(substr($3, 3), v, "."); exit !(v[1] > 1 || v[2] >= 26) }'
}

# Debian's Go is older than what the programs ask for, but can fetch a later one as a module, checksum and all.
if ! recent; then
  module=golang.org/toolchain@v0.0.1-$TOOLCHAIN.$(go env GOOS)-$(go env GOARCH)
  folder=$(cd "$tools" && go mod download -json "$module" | sed -n 's/^.*"Dir": "\(.*\)".*$/\1/p')
  chmod -R u+x "$folder/bin" "$folder/pkg/tool"
  export GOROOT=$folder PATH=$folder/bin:$PATH
fi
go version

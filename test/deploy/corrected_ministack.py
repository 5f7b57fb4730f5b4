"""Starts MiniStack with corrections of five differences from AWS that would make the stack fail, or a test meaningless.

Each correction names the documented behaviour. It raises at the start when MiniStack no longer has the name that it replaces.
"""

from urllib.parse import unquote

from ministack import app
from ministack.core import iam_actions
from ministack.core.responses import new_uuid
from ministack.services.cloudformation import provisioners, stacks

HANDLERS = provisioners._RESOURCE_HANDLERS


def key_value_store_arns(known):
    """IAM checks a request to a KeyValueStore against the ARN in its path (Service Authorization Reference). MiniStack
    checks it against `*`, which a policy for one store does not allow."""

    def extract_resource_arn(service, method, path, *rest):
        if service == "cloudfront-keyvaluestore":
            return unquote(path).removeprefix("/key-value-stores/").removesuffix("/keys")
        return known(service, method, path, *rest)

    return extract_resource_arn


def registry_paths_for_apis(ecr):
    """The path of a request to an API's own host name belongs to the API. MiniStack gives every `/v2/` to its ECR."""

    async def handle_ecr_registry_request(method, path, headers, *rest):
        if ".execute-api." in headers.get("host", ""):
            return None
        return await ecr(method, path, headers, *rest)

    return handle_ecr_registry_request


def secrets_by_arn(secret):
    """`Ref` of AWS::SecretsManager::Secret is its ARN (CloudFormation reference). MiniStack returns the name, which is
    not what the policies of the stack allow."""

    def name_of(arn):
        return arn.split(":secret:")[1][: -len("-abcdef")]

    def create(*args):
        _, attributes = secret["create"](*args)
        return attributes["Arn"], attributes

    def update(physical_id, *args, **named):
        _, attributes = secret["update"](name_of(physical_id), *args, **named)
        return attributes["Arn"], attributes

    def delete(physical_id, props):
        secret["delete"](name_of(physical_id), props)

    return {**secret, "create": create, "update": update, "delete": delete}


def tables_of_one_region(table):
    """A global table with one replica is a table, whose name and items an update of its settings keeps (CloudFormation
    reference: "No interruption"). MiniStack ignores the replica's settings, and every update replaces the table."""

    def table_properties(props):
        [replica] = props["Replicas"]
        both = {**props, **replica}
        return {name: both[name] for name in both if name not in ("Replicas", "Region")}

    def create(logical_id, props, stack_name):
        return table["create"](logical_id, table_properties(props), stack_name)

    def update(physical_id, old, new, stack_name, logical_id=None):
        old, new = table_properties(old), table_properties(new)
        return table["update"](physical_id, old, new, stack_name, logical_id=logical_id)

    def delete(physical_id, props):
        return table["delete"](physical_id, table_properties(props))

    return {**table, "create": create, "update": update, "delete": delete}


def names_of_their_own(provision):
    """A name that CloudFormation generates is unique. MiniStack's depends on the names of stack and resource only: a stack
    in another region would take over the roles of the first, and a second deployment the table that the first retained.
    MiniStack keeps the seed with the resource, so that an update does not change the name."""

    def provision_resource(*args):
        provisioners._NAME_SEED.set(new_uuid()[:8])
        return provision(*args)

    return provision_resource


iam_actions.extract_resource_arn = key_value_store_arns(iam_actions.extract_resource_arn)
app._handle_ecr_registry_request = registry_paths_for_apis(app._handle_ecr_registry_request)
HANDLERS["AWS::SecretsManager::Secret"] = secrets_by_arn(HANDLERS["AWS::SecretsManager::Secret"])
HANDLERS["AWS::DynamoDB::GlobalTable"] = tables_of_one_region(HANDLERS["AWS::DynamoDB::Table"])
stacks._provision_resource = names_of_their_own(stacks._provision_resource)

# With TLS, MiniStack would listen on port 443 too.
assert app._port_is_bindable
app._port_is_bindable = lambda *_: False

app.main()

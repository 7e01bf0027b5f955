"""Says what PyPI scim2-models makes of filters and of PATCH operations, to compare ours with.

Lines in and out are those of oracle.mjs. Models come from the resource's "schemas", and the strict reading is the library's own.
"""

import json
import sys

from pydantic import ValidationError
from scim2_models import EnterpriseUser, Group, PatchOp, SCIMException, ScimFilter, User

PATCH_OP = "urn:ietf:params:scim:api:messages:2.0:PatchOp"
MODELS = {"urn:ietf:params:scim:schemas:core:2.0:User": User[EnterpriseUser], "urn:ietf:params:scim:schemas:core:2.0:Group": Group}


def read(resource):
    model = MODELS[resource["schemas"][0]]
    return model, model.model_validate(resource)


def answer(asked):
    if "filter" in asked:
        matches = []
        for resource in asked["resources"]:
            model, resource = read(resource)
            matches.append(ScimFilter[model](asked["filter"]).match(resource, strict=True))
        return {"matches": matches}
    model, resource = read(asked["resource"])
    request = PatchOp[model].model_validate({"schemas": [PATCH_OP], "Operations": asked["operations"]})
    request.patch(resource)
    return {"resource": resource.model_dump()}


for line in sys.stdin:
    try:
        said = answer(json.loads(line))
    except (SCIMException, ValidationError) as error:
        said = {"error": f"{type(error).__name__}: {error}"}
    print(json.dumps(said), flush=True)

"""An account at moto: who may do what, and what is in Secrets Manager.

account.py URL furnish                   makes users, a role and the first secret; prints the users' keys
account.py URL put < {keys, name, fields}    a new value of a secret, by PutSecretValue

Furnished, moto verifies every signature (with botocore) and asks the policies: until then it takes
anybody for the owner.
"""

import json
import sys
import urllib.request

import boto3

REGION = "eu-west-1"
ACCOUNT = "123456789012"


def client(url: str, service: str, keys: dict):
    return boto3.client(
        service,
        endpoint_url=url,
        region_name=REGION,
        aws_access_key_id=keys["id"],
        aws_secret_access_key=keys["secret"],
    )


def policy(*actions: str, **more: object) -> str:
    statement = {"Effect": "Allow", "Action": list(actions), **more}
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})


def user(iam, name: str, *actions: str) -> dict:
    iam.create_user(UserName=name)
    iam.put_user_policy(UserName=name, PolicyName="may", PolicyDocument=policy(*actions, Resource="*"))
    keys = iam.create_access_key(UserName=name)["AccessKey"]
    return {"id": keys["AccessKeyId"], "secret": keys["SecretAccessKey"]}


def furnish(url: str) -> dict:
    nobody = {"id": "AKIANOBODY", "secret": "nobody"}
    iam = client(url, "iam", nobody)
    users = {
        "gateway": user(iam, "gateway", "secretsmanager:GetSecretValue"),
        # This one may read nothing itself.
        "assumer": user(iam, "assumer", "sts:AssumeRole"),
        "operator": user(iam, "operator", "secretsmanager:*"),
    }
    trust = policy(
        "sts:AssumeRole",
        Principal={"AWS": f"arn:aws:iam::{ACCOUNT}:user/assumer"},
        Condition={"StringEquals": {"sts:ExternalId": "tenant-7"}},
    )
    iam.create_role(RoleName="mcp", AssumeRolePolicyDocument=trust)
    may = policy("secretsmanager:GetSecretValue", Resource="*")
    iam.put_role_policy(RoleName="mcp", PolicyName="may", PolicyDocument=may)
    fields = json.dumps({"token": "the-first-token"})
    client(url, "secretsmanager", nobody).create_secret(Name="prod/app", SecretString=fields)
    strict = urllib.request.Request(
        f"{url}/moto-api/reset-auth", data=b"0", headers={"content-type": "text/plain"}
    )
    urllib.request.urlopen(strict, timeout=10).close()
    return users


def main() -> None:
    url, verb = sys.argv[1:]
    if verb == "furnish":
        print(json.dumps(furnish(url)))
        return
    told = json.load(sys.stdin)
    store = client(url, "secretsmanager", told["keys"])
    store.put_secret_value(SecretId=told["name"], SecretString=json.dumps(told["fields"]))


main()

"""An S3-compatible store (moto) for tests: `python s3-store.py make|fetch ENDPOINT BUCKET [DIRECTORY]`.

`make` makes the bucket; `fetch` writes every object of it below DIRECTORY, with another client than the one that put it there.
The store itself is `python -m moto.server`.
"""

import pathlib
import sys

import boto3

what, endpoint, bucket, *rest = sys.argv[1:]
client = boto3.client(
    "s3", endpoint_url=endpoint, region_name="us-east-1", aws_access_key_id="key-id", aws_secret_access_key="secret"
)
if what == "make":
    client.create_bucket(Bucket=bucket)
else:
    for page in client.get_paginator("list_objects_v2").paginate(Bucket=bucket):
        for item in page.get("Contents", []):
            path = pathlib.Path(rest[0]) / item["Key"]
            path.parent.mkdir(parents=True, exist_ok=True)
            client.download_file(bucket, item["Key"], str(path))
print("done")

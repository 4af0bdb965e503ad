"""Looking into a bucket: names, sizes, checksums, and addresses that are none."""

import hashlib

import pytest

from pathgen_smk.cohort import bucket as bucket_module
from pathgen_smk.cohort.checksums import read_checksums
from pathgen_smk.cohort.uri import file_name, split_uri, suffix

SUM, OTHER = hashlib.md5(b"a", usedforsecurity=False).hexdigest(), "0" * 32


def test_objects_are_listed_beyond_the_first_page(bucket, monkeypatch) -> None:
    monkeypatch.setenv("MOTO_S3_DEFAULT_MAX_KEYS", "3")
    for number in range(8):
        bucket.put(f"images/{number}.tif", b"x" * number)
    bucket.put("images-of-others/a.tif", b"")
    found = bucket_module.list_objects("s3://camelyon-dataset/CAMELYON16/images")
    assert [file.uri for file in found] == [
        f"s3://camelyon-dataset/CAMELYON16/images/{number}.tif" for number in range(8)
    ]
    assert [file.size for file in found] == list(range(8))


def test_the_size_of_an_object_is_known_without_fetching_it(bucket, proxy) -> None:
    uri = bucket.put("images/a.tif", b"x" * 1_000_000)
    assert bucket_module.remote_size(uri) == 1_000_000 and proxy.served < 10_000


def test_a_server_that_is_busy_is_asked_again(monkeypatch) -> None:
    from botocore.exceptions import ClientError

    monkeypatch.setattr(bucket_module, "FIRST_WAIT", 0.001)
    answers = [503, 429, 500]

    def attempt() -> str:
        if answers:
            raise ClientError({"ResponseMetadata": {"HTTPStatusCode": answers.pop()}}, "GetObject")  # type: ignore
        return "done"

    assert bucket_module.retrying("s3://bucket/a", attempt) == "done"


def test_texts_are_small_and_utf_8(bucket, refused) -> None:
    uri = bucket.put("README.md", "Müller".encode())
    assert bucket_module.read_text(uri) == "Müller"
    with refused(uri, "more than 3 bytes"):
        bucket_module.read_text(uri, limit=3)
    with refused("UTF-8"):
        bucket_module.read_text(bucket.put("README.md", b"\xff\xfe\xff"))


@pytest.mark.parametrize(
    "line",
    [f"{SUM}  images/a b.tif", f"{SUM} *images/a b.tif", f"{SUM.upper()}\t./images/a b.tif",
     f"MD5 (images/a b.tif) = {SUM}"],
)  # fmt: skip
def test_checksums_are_read_in_all_forms_of_md5sum(line: str) -> None:
    text = f"{OTHER}  images/first.tif\r\n\n{line}\n{line}"
    assert read_checksums(text, "sums") == {"images/first.tif": OTHER, "images/a b.tif": SUM}


@pytest.mark.parametrize(
    ("text", "row"),
    [("<html>", 1), (f"{SUM}", 1), (f"{SUM}  a\n{SUM[:-1]}  b", 2), (f"{SUM}  a\n\n{OTHER}  ./a", 3)],
)
def test_what_are_no_checksums_is_refused(refused, text: str, row: int) -> None:
    with refused("sums", f"row {row}:"):
        read_checksums(text, "sums")


def test_addresses_give_names_and_suffixes() -> None:
    uri = "s3://camelyon-dataset/CAMELYON16/images/tumor_001.ome.TIFF"
    assert split_uri(uri) == ("camelyon-dataset", "CAMELYON16/images/tumor_001.ome.TIFF")
    assert (file_name(uri), suffix(uri)) == ("tumor_001.ome.TIFF", ".TIFF")


@pytest.mark.parametrize(
    "uri",
    ["s3://", "s3://bucket", "s3://bucket/", "s3:///a.tif", "s3://bucket//a.tif", "s3://bucket/../a.tif",
     "s3://bucket/a/../../b.tif", "s3://bucket/.hidden.tif", "s3://Bucket/a.tif", "s3://bucket/a b.tif",
     "s3://bucket/a\n.tif", "s3://bucket/ä.tif", "s3://bucket/a.tif?x=1", "https://bucket/a.tif",
     "s3://bucket/" + "a" * 1100 + ".tif", "s3://bucket/no-suffix", "s3://bucket/a.", "s3://bucket/a.x-y"],
)  # fmt: skip
def test_what_is_no_address_of_a_file_is_refused(refused, uri: str) -> None:
    with refused(" ".join(uri.split())[:20]):
        suffix(uri)

"""Sessions as far as they need no Java: addresses, settings, jars, and what is said without one."""

from __future__ import annotations

import os
import socket
from collections.abc import Mapping
from pathlib import Path

import pytest

from reelhouse.engines import session, spark
from reelhouse.engines.spark import started_conf
from reelhouse.engines.spark_connect import check_listens
from reelhouse.errors import ConfigError
from reelhouse.spark import job
from reelhouse.storage.credentials import Credentials, S3Access
from reelhouse.storage.opening import S3Options
from tests.end_to_end.conftest import REPOSITORY

ELSEWHERE = S3Access(
    "https://minio.example:9000", "eu-west-1", S3Options(), lambda: Credentials("AKIAX", "secret", "token"), "movies"
)
NONE: set[str] = set()


def conf(
    master: str = "local[2]",
    version: str = "4.2.0",
    there: set[str] = NONE,
    stated: Mapping[str, str] | None = None,
    access: S3Access | None = None,
) -> dict[str, str]:
    return started_conf(master, version, there, stated or {}, access)


@pytest.mark.parametrize("address", ["local", "local[*]", "local[2]", "local[2,3]", "spark://a:7077,b:7077", "yarn"])
def test_these_are_addresses_of_apache_spark(address: str) -> None:
    session.check_engine(address)


@pytest.mark.parametrize(
    "address", ["", "locals", "local[x]", "spark:", "http://a", "mesos://a", "yarn-client", "sale"]
)
def test_an_unknown_address_is_refused_with_the_known_forms(address: str) -> None:
    with pytest.raises(ConfigError, match=r"local\[N\], sc://host:port, spark://host:port or yarn is expected, not"):
        session.check_engine(address)


@pytest.mark.parametrize("scheme", ["sc", "spark"])
def test_a_closed_port_is_reported_at_once_without_the_password(scheme: str) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
        with pytest.raises(ConfigError) as failed:
            check_listens(f"{scheme}://127.0.0.1:{port}/;token=very-secret")
    assert f"nobody answers at {scheme}://127.0.0.1:{port}" in str(failed.value)
    assert "very-secret" not in str(failed.value)


def test_the_users_settings_win() -> None:
    stated = {"spark.sql.shuffle.partitions": "64", "spark.driver.memory": "9g", "spark.executor.memory": "5g"}
    made = conf(stated=stated)
    assert made.items() >= stated.items()
    assert made["spark.master"] == "local[2]"


def test_functions_of_pyspark_are_not_traced_unless_the_user_says_so() -> None:
    name = "spark.python.sql.dataFrameDebugging.enabled"
    assert conf()[name] == "false"
    assert conf(stated={name: "true"})[name] == "true"
    assert session.session_factory("sail")().conf.get(name) == "false"


def test_shuffles_of_one_machine_feed_all_its_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "cpu_count", lambda: 24)
    found = [conf(f"local{each}")["spark.sql.shuffle.partitions"] for each in ("", "[2]", "[2,9]", "[16]", "[*]")]
    assert found == ["4", "4", "4", "16", "24"]


def test_a_cluster_keeps_its_own_sizes() -> None:
    for master in ("spark://a:7077", "yarn"):
        made = conf(master)
        assert not {"spark.sql.shuffle.partitions", "spark.driver.memory", "spark.ui.enabled"} & made.keys()
        assert not {"spark.driver.host", "spark.driver.bindAddress", "spark.authenticate"} & made.keys()
    assert int(conf()["spark.driver.memory"].removesuffix("m")) >= 1024


def test_spark_on_one_machine_listens_to_this_machine_alone_and_to_those_who_know_its_secret() -> None:
    made = conf("local")
    assert made["spark.driver.host"] == made["spark.driver.bindAddress"] == "127.0.0.1"
    assert made["spark.authenticate"] == "true"


@pytest.mark.parametrize(("version", "hadoop"), [("4.0.2", "3.4.1"), ("4.2.0", "3.5.0")])
def test_each_version_of_spark_has_its_jars_for_s3_and_needs_none_for_a_folder(version: str, hadoop: str) -> None:
    assert "spark.jars.packages" not in conf(version=version)
    made = conf(version=version, access=ELSEWHERE)
    packages = made["spark.jars.packages"].split(",")
    assert packages[0] == f"org.apache.hadoop:hadoop-aws:{hadoop}"
    assert all(each.startswith("software.amazon.awssdk:") for each in packages[1:])
    # 700 MB, of which S3A needs a fiftieth.
    assert "software.amazon.awssdk:bundle" in made["spark.jars.excludes"]


@pytest.mark.parametrize("venv", [".venv-spark", ".venv-spark40"])
def test_the_jars_for_s3_are_of_the_hadoop_that_spark_has(venv: str) -> None:
    there = {path.name for path in (REPOSITORY / venv).glob("lib/*/site-packages/pyspark/jars/*.jar")}
    if not there:
        pytest.skip(f"{venv} is not set up")
    versions = dict(each.removesuffix(".jar").rsplit("-", 1) for each in there)
    made = conf(version=versions["spark-core_2.13"], there=there, access=ELSEWHERE)
    first = made["spark.jars.packages"].partition(",")[0]
    assert first == f"org.apache.hadoop:hadoop-aws:{versions['hadoop-client-api']}"


def test_jars_that_are_there_or_stated_are_not_fetched() -> None:
    assert "spark.jars.packages" not in conf(there={"hadoop-aws-3.5.0.jar"}, access=ELSEWHERE)
    stated = {"spark.jars.packages": "org.apache.hadoop:hadoop-aws:3.5.1,org.postgresql:postgresql:42.7.8"}
    assert conf(stated=stated, access=ELSEWHERE)["spark.jars.packages"] == stated["spark.jars.packages"]
    both = conf(stated={"spark.jars.packages": "org.postgresql:postgresql:42.7.8"}, access=ELSEWHERE)
    assert both["spark.jars.packages"].startswith("org.postgresql:postgresql:42.7.8,org.apache.hadoop:hadoop-aws:")
    assert conf(stated={"spark.jars": "/mine.jar"})["spark.jars"] == "/mine.jar"


def test_a_version_with_unknown_jars_is_refused_where_it_needs_some() -> None:
    with pytest.raises(ConfigError, match=r"which hadoop-aws goes with Spark 4\.9\.0 is unknown"):
        conf(version="4.9.0", access=ELSEWHERE)
    stated = {"spark.jars.packages": "org.apache.hadoop:hadoop-aws:4.0.0"}
    assert conf(version="4.9.0", stated=stated, access=ELSEWHERE).items() >= stated.items()
    assert "spark.jars.packages" not in conf(version="4.9.0")


def test_java_is_started_for_the_work_ahead_and_a_persons_options_win() -> None:
    few, many = (spark.conf_for("local[2]", answers) for answers in (19_999, 20_000))
    flags = "-XX:TieredStopAtLevel=1 -XX:ReservedCodeCacheSize=240m -XX:+UseSerialGC"
    assert few["spark.driver.extraJavaOptions"] == flags
    assert few["spark.sql.adaptive.enabled"] == "false"
    assert many == {"spark.driver.extraJavaOptions": "-XX:+UseParallelGC"}
    assert spark.conf_for("spark://a:7077", 1) == {}


@pytest.mark.parametrize("stated", [{}, {"spark.driver.extraJavaOptions": "-Xmx1g"}])
def test_answers_are_counted_when_the_session_is_made_and_not_before(
    stated: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    started: list[Mapping[str, str]] = []
    monkeypatch.setattr(session, "check_installed", lambda engine: None)
    monkeypatch.setattr(session, "_configured", lambda made, stated: made)
    monkeypatch.setattr(spark, "spark_session", lambda master, conf, access: started.append(conf))
    counted: list[int] = []

    def answers() -> int:
        counted.append(1)
        return 5

    factory = session.session_factory("local[2]", None, stated, answers=answers)
    assert counted == []
    factory()
    assert counted == [1]
    assert started[0] == {**spark.conf_for("local[2]", 5), **stated}


def test_s3a_finds_the_bucket_and_no_secret_is_written_down() -> None:
    kms = ELSEWHERE._replace(options=S3Options(kms_key="a-key"))
    made = conf(access=kms)
    of = "spark.hadoop.fs.s3a.bucket.movies."
    assert made[f"{of}endpoint"] == "https://minio.example:9000"
    assert made[f"{of}endpoint.region"] == "eu-west-1"
    assert made[f"{of}path.style.access"] == "true"
    assert made[f"{of}connection.ssl.enabled"] == "true"
    assert made[f"{of}encryption.algorithm"] == "SSE-KMS"
    assert made[f"{of}encryption.key"] == "a-key"
    assert made["spark.hadoop.fs.s3.impl"].endswith("S3AFileSystem")
    assert not {"AKIAX", "secret", "token"} & set(made.values())
    sse = dict(spark.s3a_conf(ELSEWHERE._replace(options=S3Options(encryption="sse-s3"))))
    assert sse["fs.s3a.bucket.movies.encryption.algorithm"] == "AES256"


def test_amazons_own_endpoint_is_left_to_s3a() -> None:
    amazon = ELSEWHERE._replace(endpoint="https://s3.eu-west-1.amazonaws.com")
    assert dict(spark.s3a_conf(amazon)) == {"fs.s3a.bucket.movies.endpoint.region": "eu-west-1"}


def test_a_setting_that_makes_other_rows_is_named_in_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    session._warn({"spark.sql.ansi.enabled": "TRUE", "spark.sql.session.timeZone": "UTC", "spark.executor.cores": "2"})
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    assert "spark.sql.ansi.enabled = TRUE instead of false" in said


def test_without_java_the_error_says_what_to_do(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("JAVA_HOME", raising=False)
    with pytest.raises(ConfigError, match="needs Java 17, and none is installed"):
        spark._java()
    monkeypatch.setenv("JAVA_HOME", str(tmp_path))
    with pytest.raises(ConfigError, match=r"JAVA_HOME is .* and has none"):
        spark._java()


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        (
            ":: UNRESOLVED DEPENDENCIES ::\n unresolved dependency: io.delta#delta-spark_2.13;4.0.1: not found",
            "io.delta#",
        ),
        ("[FAILED     ] download failed: a#b;1!b.jar", "could not be fetched from Maven"),
        ("java.lang.UnsupportedClassVersionError: org/apache/spark/launcher/Main", "this Java is too old"),
        ("Exception in thread main: something else\n\tat x", "did not start: Exception in thread main"),
        ("", "it printed nothing"),
    ],
)
def test_why_java_ended_is_one_line(said: str, expected: str) -> None:
    failed = str(spark._not_started(said))
    assert expected in failed
    assert "\n" not in failed


def test_the_environment_is_changed_only_during_a_start(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "of-old")
    before = dict(os.environ)
    with spark._environment(ELSEWHERE):
        assert "AWS_SECRET_ACCESS_KEY" not in os.environ
        assert os.environ["AWS_CONTAINER_CREDENTIALS_FULL_URI"].startswith("http://127.0.0.1:")
    assert dict(os.environ) == before


def test_a_job_is_not_begun_in_a_session_through_spark_connect() -> None:
    with pytest.raises(ConfigError, match="this session uses Spark Connect: start the job with spark-submit"):
        spark.adopted(session.session_factory("sail")())


def test_apache_spark_is_not_started_where_spark_connect_is_in_use() -> None:
    session.session_factory("sail")()
    with pytest.raises(ConfigError, match="this process has used Spark Connect already"):
        spark._leave_connect()


def test_arguments_come_in_the_style_of_each_service() -> None:
    expected = job.Job({"lake": "s3://b/p"}, full=True)
    assert job.read_arguments(["--lake", "s3://b/p", "--full"]) == expected
    assert job.read_arguments(["--full", "true", "--lake=s3://b/p", "--json"]) == expected
    assert (
        job.read_arguments(["--JOB_NAME", "x", "--lake", "s3://b/p", "--full", "TRUE", "--enable-metrics"]) == expected
    )
    assert job.read_arguments(["--full", "false", "--lake", "s3://b/p"]).full is False
    # A value of Glue's that looks like an argument.
    options = ["--python-modules-installer-option", "--no-deps", "--conf", "a=b --conf c=d", "--disable-proxy-v2", ""]
    assert job.read_arguments([*options, "--lake", "s3://b/p", "--full"]) == expected


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["--lakes", "x"], "unknown argument --lakes (did you mean '--lake'?)"),
        (["--token", "x"], "unknown argument --token"),
        (["lake"], "an argument begins with --, not as 'lake' does"),
        (["--lake"], "--lake: a value is expected"),
        (["--full", "perhaps"], "--full: true or false is expected, not 'perhaps'"),
    ],
)
def test_other_arguments_are_an_error_before_spark_starts(
    arguments: list[str], expected: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert job.main(arguments) == 2
    assert expected in capsys.readouterr().err

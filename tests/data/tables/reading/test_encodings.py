"""Text in encodings other than UTF-8 is read where it shows which one it is, and else offered as each would read it."""

import io
from pathlib import Path

import pytest
from refusals import assert_reports

from dlkit.data.tables.reading.options import TableOptions
from dlkit.data.tables.reading.table_file import peek_names, read_table
from dlkit.errors import DataError


@pytest.mark.parametrize(
    ("encoding", "name", "said"),
    [
        ("cp1252", "Größe „A“ 5 €", "Windows-1252"),
        ("latin-1", "Renda média", "Windows-1252"),
        ("cp932", "家賃ひかり", "CP932"),
        ("cp1251", "Москва город", "Windows-1251"),
        ("koi8-r", "Москва город", "KOI8-R"),
        ("cp866", "Москва город", "CP866"),
        ("cp1250", "Łódź Gdańsk", "Windows-1250"),
        ("cp1250", "Gdańsk", "Windows-1250"),
        ("iso8859-2", "Gdańsk", "Windows-1250"),
        ("cp1250", "wielkość", "Windows-1250"),
        ("iso8859-2", "wielkość", "ISO-8859-2"),
        ("iso8859-2", "Łódź Gdańsk śląskie", "ISO-8859-2"),
        ("cp1252", "España Señor año m³", "Windows-1252"),
        ("cp1252", "cœur nœud æble", "Windows-1252"),
        ("cp1253", "Αθήνα Πάτρα", "Windows-1253"),
        ("mac_roman", "Zürich Genève", "Macintosh"),
        ("cp850", "Zürich Málaga", "CP850"),
        ("utf-16", "Größe", ""),
    ],
)
def test_text_of_another_encoding_is_read_where_it_shows(
    encoding: str, name: str, said: str, tmp_path: Path
) -> None:
    text = f"{name};y\n" + "".join(f"{name} {i};{i}\n" for i in range(20))
    (tmp_path / "t.csv").write_bytes(text.encode(encoding))

    found = read_table(str(tmp_path / "t.csv"))

    assert found.names == (name, "y")
    assert found.texts(name).tolist() == [f"{name} {i}" for i in range(20)]
    assert peek_names(str(tmp_path / "t.csv"), TableOptions()) in ((), found.names)
    assert any(said and said in note for note in found.notes) is bool(said)


def test_an_encoding_of_syllables_is_offered_with_how_it_reads(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_bytes("город,y\n北京,1\n".encode("gb18030"))

    with pytest.raises(DataError) as caught:
        read_table(str(path))

    assert_reports(caught.value, "UTF-8", "iconv -f GB18030 -t UTF-8", "'город'")


CITIES = {
    "gb18030": ("GB18030", "时间,温度(℃),湿度(%),风速(m/s),风向,功率(kW)", ("南", "东北")),
    "big5": ("Big5", "時間,溫度(℃),濕度(%),風速,發電量,城市", ("臺北市", "高雄市")),
    "euc_kr": ("EUC-KR", "시간,온도,습도,풍속,전력,지역", ("서울특별시", "부산광역시")),
    "euc_jp": ("EUC-JP", "日時,気温,湿度,風速,発電量の値,都道府県の名", ("みなみ", "きた")),
    "cp932": ("CP932", "日時,気温,湿度,風速,発電量の値,都道府県の名", ("みなみ", "きた")),
    "cp1250": ("Windows-1250", "Město,Příjem,Plzeň,Třída,Výška,Kraj", ("Olomouc", "Brno")),
    "cp1254": ("Windows-1254", "Şehir,Değer,Eskişehir,Ağridağ,Bölge,Il", ("Muğla", "Bolu")),
    "cp1252": ("Windows-1252", "Blåbær,Søvn,è,Ærø,Århus,By", ("Århus", "Odense")),
    "latin-1": ("Windows-1252", "São João,Nação,ações,Três,Região,põe", ("Évora", "Faro")),
}


@pytest.mark.parametrize("encoding", CITIES)
def test_text_of_two_bytes_a_letter_and_of_other_windows_is_read(encoding: str, tmp_path: Path) -> None:
    said, names, words = CITIES[encoding]
    rows = [f"2023/5/{i % 28 + 1},{i}.5,{i},1,{i % 5},{words[i % 2]}" for i in range(30)]
    (tmp_path / "t.csv").write_bytes("\n".join([names, *rows, ""]).encode(encoding))

    found = read_table(str(tmp_path / "t.csv"))

    assert found.names == tuple(names.split(","))
    assert found.texts(found.names[-1])[:2].tolist() == list(words)
    assert any(f"read as {said}" in note for note in found.notes)


@pytest.mark.parametrize(
    ("encoding", "best", "names"),
    [
        ("gb18030", "GB18030", "时间,温度"),
        ("big5", "BIG5", "時間,溫度"),
        ("big5", "BIG5", "城市,溫度"),
        ("euc_kr", "EUC-KR", "시간,온도"),
        ("euc_kr", "EUC-KR", "지역,기온"),
        ("cp932", "CP932", "日時,気温"),
        ("cp932", "CP932", "都市,気温"),
        ("cp932", "CP932", "東京,大阪"),
    ],
)
def test_few_letters_are_offered_in_the_order_of_how_likely_they_are(
    encoding: str, best: str, names: str
) -> None:

    with pytest.raises(DataError) as caught:
        read_table("-", stdin=io.BytesIO(f"{names}\n1,2\n".encode(encoding)))

    assert f"iconv -f {best} " in caught.value.hint
    assert f"reads it as '{names.replace(',', ' ')}'" in caught.value.hint

use super::super::source;
use super::*;
use datacoop_policy::vocabulary::Vocabulary;

const FILE: &str = r#"<?xml version="1.0" encoding="UTF-8"?>
<CTfile>
  <Header>
    <DocumentName>Common Transfer File</DocumentName><CTFversion>21.0</CTFversion>
    <DateTime>2025-12-08T10:00:00</DateTime><DocumentQualifier>partial</DocumentQualifier>
    <SourceSchool><LEA>801</LEA><Estab>2000</Estab><SchoolName>Made &amp; Up</SchoolName><AcademicYear>2025</AcademicYear></SourceSchool>
    <DestSchool><LEA>895</LEA><Estab>4162</Estab></DestSchool>
  </Header>
  <CTFpupilData>
    <Pupil>
      <UPN>B801200005001</UPN><Surname>Planted</Surname><Forename>Name</Forename><DOB>2014-03-09</DOB><Sex>F</Sex>
      <BasicDetails><FormerUPN>Z</FormerUPN><Ethnicity>WBRI</Ethnicity><Language>ENG</Language><NCyearActual>6</NCyearActual></BasicDetails>
      <FSMhistory><FSMreviewDate>2025-09-01</FSMreviewDate>
        <FSMinstance><FSMstartDate>2021-09-01</FSMstartDate><FSMendDate>2022-07-20</FSMendDate></FSMinstance></FSMhistory>
      <SENhistory><SEN><StartDate>2023-01-09</StartDate><SENprovision>K</SENprovision></SEN>
        <SEN><StartDate>2020-09-01</StartDate><SENprovision>N</SENprovision></SEN></SENhistory>
      <LookedAfter><InCare>true</InCare><CareAuthority>801</CareAuthority></LookedAfter>
      <Address><PostCode>ZZ99 9ZZ</PostCode></Address>
      <Contacts><Contact><UPN>not this</UPN><Language>PNJ</Language></Contact></Contacts>
      <Attendance>
        <YearData><Year>2024</Year><SessionsPossible>380</SessionsPossible><SessionsAuthorised>30</SessionsAuthorised>
          <SessionsAttended>340</SessionsAttended><SessionsUnauthorised>10</SessionsUnauthorised></YearData>
        <YearData><Year>2025</Year><SessionsPossible>100</SessionsPossible><SessionsAuthorised>0</SessionsAuthorised>
          <SessionsAttended>100</SessionsAttended><SessionsUnauthorised>0</SessionsUnauthorised></YearData>
      </Attendance>
      <SchoolHistory>
        <School><LEA>801</LEA><Estab>2000</Estab><SchoolName>Made Up</SchoolName><EntryDate>2018-09-03</EntryDate></School>
        <School><LEA>802</LEA><Estab>2001</Estab><EntryDate>2017-09-03</EntryDate><LeavingDate>2018-07-20</LeavingDate></School>
      </SchoolHistory>
      <Newer><Things><Inside>skipped</Inside></Things></Newer>
    </Pupil>
    <Pupil>
      <UPN>G895416219001</UPN><Surname>Planted</Surname><DOB>2020-01-31</DOB><Gender>M</Gender>
      <BasicDetails><Ethnicity>NOBT</Ethnicity><Language>PNJ</Language><NCyearActual>R</NCyearActual></BasicDetails>
      <FSMhistory><FSMinstance><FSMstartDate>2025-09-01</FSMstartDate></FSMinstance></FSMhistory>
      <SchoolHistory><School><LEA>801</LEA><Estab>2000</Estab><EntryDate>2024-09-03</EntryDate><LeavingDate>2025-11-28</LeavingDate></School></SchoolHistory>
    </Pupil>
  </CTFpupilData>
</CTfile>"#;

fn records(text: &str) -> Result<Vec<String>, String> {
    Ctf::new(text.as_bytes()).map(|record| record.map(|record| record.join("|"))).collect()
}

#[test]
fn pupils_are_read_and_nothing_that_names_them_but_the_upn() {
    let records = records(FILE).unwrap();
    assert_eq!(HEADER.len(), records[0].split('|').count());
    assert_eq!(
        records,
        [
            "B801200005001|B801200005001||6|2014-03-09|F|White|false|K|false|true|true|2018-09-03||10-20",
            "G895416219001|G895416219001||R|2020-01-31|M|Unknown|true|N|true|true||2024-09-03|2025-11-28|",
        ]
    );
    assert!(!records.concat().contains("Planted"));
}

#[test]
fn what_is_no_ctf_or_would_hurt_is_refused() {
    let deep = "<a>".repeat(40);
    for (from, to, said) in [
        ("21.0", "18.0", "version 18; versions 19 to 25 are read"),
        ("21.0", "26", "version 26"),
        ("<CTFversion>21.0</CTFversion>", "", "no header"),
        ("<CTfile>", "<!DOCTYPE CTfile [<!ENTITY x \"y\">]><CTfile>", "has a DTD"),
        ("Made &amp; Up", "&x;", "uses an entity"),
        ("<CTfile>", "<Message>", "XML of another kind, `Message`"),
        ("</CTfile>", "", "stops in the middle"),
        ("<Newer>", deep.as_str(), "more than 32 elements inside each other"),
    ] {
        let error = records(&FILE.replacen(from, to, 1)).expect_err(to);
        assert!(error.contains(said), "{to}: {error}");
    }
    let many = "<SEN></SEN>".repeat(HISTORY_MAX + 1);
    let error = records(&FILE.replacen("<SENhistory>", &format!("<SENhistory>{many}"), 1)).unwrap_err();
    assert!(error.contains("more than 1000 entries `SEN`"), "{error}");
}

#[test]
fn a_ctf_is_a_table_of_pupils_without_their_pupil_premium() {
    let shipped = include_str!("../vocab/pupils.toml");
    let vocabulary = Vocabulary::from_toml(shipped).unwrap();
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("8012000_CTF_8954162_001.xml");
    std::fs::write(&path, FILE).unwrap();
    let mut rows = 0;
    let report = super::super::read_file(&path, &vocabulary, &Default::default(), None, &mut |_, _| {
        rows += 1;
        Ok(())
    });
    let report = report.unwrap();
    assert_eq!((rows, report.rows_refused), (2, 0), "{:?}", report.problems);
    assert!(report.columns_absent.contains(&"pupil_premium".to_owned()), "{report:?}");
    assert!(report.read_as.unwrap().contains("common transfer file"));
    // Other XML is refused by its kind.
    std::fs::write(&path, "<?xml version=\"1.0\"?><Message><Header/></Message>").unwrap();
    let error = source::open(&path).err().unwrap().0;
    assert!(error.contains("XML of another kind, `Message`"), "{error}");
}

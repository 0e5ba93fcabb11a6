//! `export readings`.

use meter::Timestamp;
use query::{Engine, Principal, Selection};

use crate::lake::{HOME, limits, town};

async fn exported(selection: Selection) -> String {
    let engine = Engine::new(limits()).expect("starts");
    let mut out = Vec::new();
    let session = engine.session(Principal { tenant: HOME }, town().await);
    let rows = session.export_readings(&selection, &mut out).await.expect("exports");
    let text = String::from_utf8(out).expect("text");
    assert_eq!(text.lines().count() as u64, rows + 1);
    text
}

#[tokio::test]
async fn readings_are_sorted_and_keep_their_digits() {
    let expected = "point,device,register,start,end,value,unit,quality,reason\n\
        NMI1,,B1,2024-01-01T00:00:00Z,2024-01-01T00:30:00Z,0.125,kWh,A,\n\
        NMI1,METER-7,E1,2024-01-01T00:00:00Z,2024-01-01T00:30:00Z,1.5,kWh,A,\n\
        NMI1,METER-7,E1,2024-01-01T00:30:00Z,2024-01-01T01:00:00Z,260,Wh,A,\n\
        NMI1,METER-7,E1,2024-02-01T00:00:00Z,2024-02-01T00:30:00Z,3,kWh,A,\n\
        NMI2,,E1,2024-02-01T00:00:00Z,2024-02-01T00:30:00Z,0.000000000000000001,Wh,A,\n\
        NMI2,,E1,2024-02-01T00:30:00Z,2024-02-01T01:00:00Z,4,Wh,A,\n";
    assert_eq!(exported(Selection::default()).await, expected);
}

#[tokio::test]
async fn a_selection_narrows_and_cannot_break_out() {
    let at = |text| Some(Timestamp::parse(text).expect("a time"));
    let one =
        Selection { point: Some("NMI1".into()), from: at("2024-01-01T00:30:00Z"), before: at("2024-02-01T00:00:00Z") };
    assert_eq!(exported(one).await.lines().count(), 2);
    let sly = Selection { point: Some("x' or point <> '".into()), ..Selection::default() };
    assert_eq!(exported(sly).await.lines().count(), 1);
}

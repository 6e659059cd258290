"""Tests of exports in other languages: headers, stages, sources, amounts and dates."""

from datetime import UTC, date, datetime
from decimal import Decimal

import pytest

from leads.importing.columns import plan_import
from leads.importing.drafts import STAGED_LEAD_COLUMNS
from leads.importing.files.tables import TableRow
from leads.importing.rows import RowReader
from leads.importing.tables.leads.table import LEADS
from tests.leads.test_import_rows import CONTEXT

LANGUAGES = {
    "German": (
        "Vorname;Nachname;E-Mail;Telefon;Firma;Status;Betrag;Abschlussdatum;Quelle;Zuständig;Notizen;Erstellt am",
        "Ann;Lee;a@x.example;0171 555010;Acme;Gewonnen;1.234,50;4. März 2025;Empfehlung;ann;Rückruf;20.11.2024",
    ),
    "French": (
        "Prénom;Nom;Adresse e-mail;Téléphone;Société;Étape;Montant;Date de clôture;Source;Propriétaire;Remarques;"
        "Date de création",
        "Ann;Lee;a@x.example;06 55 50 10 10;Acme;Gagné;1 234,50 €;4 mars 2025;Recommandation;ann;Rappel;20/11/2024",
    ),
    "Spanish": (
        "Nombre;Apellidos;Correo electrónico;Teléfono;Empresa;Etapa;Importe;Fecha de cierre;Origen;Propietario;Notas;"
        "Fecha de creación",
        "Ann;Lee;a@x.example;655 501 010;Acme;Ganado;1.234,50 €;4 de marzo de 2025;Recomendación;ann;Llamar;20/11/2024",
    ),
    "Italian": (
        "Nome;Cognome;Indirizzo e-mail;Telefono;Azienda;Fase;Valore;Data di chiusura;Fonte;Proprietario;Note;"
        "Data creazione",
        "Ann;Lee;a@x.example;06 1234567;Acme;Chiuso vinto;1.234,50 €;4 marzo 2025;Passaparola;ann;Chiamare;20/11/2024",
    ),
    "Dutch": (
        "Voornaam;Achternaam;E-mailadres;Telefoonnummer;Bedrijf;Fase;Waarde;Sluitingsdatum;Bron;Eigenaar;Notities;"
        "Aangemaakt op",
        "Ann;Lee;a@x.example;06-12345678;Acme;Gewonnen;€ 1.234,50;4 maart 2025;Doorverwijzing;ann;Bellen;20-11-2024",
    ),
    "Portuguese": (
        "Nome;Sobrenome;E-mail;Telefone;Empresa;Etapa;Valor;Data de fechamento;Origem;Proprietário;Observações;"
        "Criado em",
        "Ann;Lee;a@x.example;(11) 91234-5678;Acme;Ganho;R$ 1.234,50;4 de março de 2025;Indicação;ann;Ligar;20/11/2024",
    ),
    "Polish": (
        "Imię;Nazwisko;Adres e-mail;Telefon komórkowy;Firma;Etap;Wartość;Data zamknięcia;Źródło;Właściciel;Uwagi;"
        "Data utworzenia",
        "Ann;Lee;a@x.example;600 100 200;Acme;Wygrana;1 234,50 zł;4 marca 2025;Polecenie;ann;Oddzwonić;20.11.2024",
    ),
}


def read_file(header: str, row: str) -> dict:
    """Return the values of the lead in a file with one row."""
    names, cells = header.split(";"), row.split(";")
    plan = plan_import(names, [cells], LEADS.cell_matcher(CONTEXT), column_fields={}, field_templates={})
    assert plan.unused_columns() == []
    reader = RowReader(plan, CONTEXT, [cells], table=LEADS, source_detail="crm.csv")
    return dict(zip(STAGED_LEAD_COLUMNS, reader.read_row(1, TableRow(2, cells)), strict=True))


@pytest.mark.parametrize("language", LANGUAGES)
def test_export_of_a_language_keeps_the_meaning_of_each_column(language):
    header, row = LANGUAGES[language]
    lead = read_file(header, row)
    phone, source, notes = (row.split(";")[index] for index in (3, 8, 10))
    assert lead["contact_name"] == "Ann Lee"
    assert (lead["contact_email"], lead["contact_phone"], lead["company_name"]) == ("a@x.example", phone, "Acme")
    assert (lead["status"], lead["closed_at"]) == ("CLOSED_WON", datetime(2025, 3, 4, tzinfo=UTC))
    assert (lead["estimated_value"], lead["expected_close_date"]) == (Decimal("1234.5"), date(2025, 3, 4))
    assert (lead["source_type"], lead["source_detail"]) == ("REFERRAL", source)
    assert (lead["assigned_to"], lead["notes"]) == ("ann-key", notes)
    assert lead["created_at"] == datetime(2024, 11, 20, tzinfo=UTC)

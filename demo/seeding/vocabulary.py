"""Invented names of people, companies and places. Email domains and phone numbers are reserved for examples."""


def split_words(text: str) -> list[str]:
    """Split `text` at whitespace."""
    return text.split()


def split_phrases(text: str, separator: str = "\n") -> list[str]:
    """Split `text` at line breaks or another separator, and strip each phrase."""
    return [" ".join(phrase.split()) for phrase in text.strip().split(separator)]


FIRST_NAMES = split_words("""
    Aaliyah Aaron Abigail Adriana Aisha Alejandro Alice Amara Amir Ana Andre Angela Anita Anthony Aria Arjun
    Ashley Beatriz Ben Bianca Brandon Brenda Brian Caleb Camila Carlos Carmen Chen Chloe Christina Clara
    Connor Crystal Daniel Darnell David Deborah Deepak Demetrius Denise Diana Diego Dmitri Dolores Donna
    Eduardo Elena Eli Elijah Elizabeth Emily Emmanuel Eric Erin Esther Ethan Eva Fatima Felix Fernando
    Florence Francesca Frank Gabriel Gloria Grace Greta Gustavo Hana Harold Hassan Heather Hector Helen
    Henry Hiroshi Ibrahim Ingrid Isaac Isabella Ivan Jacob Jada Jamal James Janelle Jasmine Javier Jelani
    Jennifer Jerome Jessica Jin Joaquin Jordan Jorge Joseph Joy Juan Julia Kaito Karen Kavita Keisha Kenji
    Kevin Khadija Kimberly Kofi Kyle Lakshmi Laura Lauren Leila Leon Liam Lin Linda Logan Lorenzo Lucia
    Luis Lydia Mai Malik Marcus Margaret Maria Marisol Mark Martin Mateo Maya Megan Mei Miguel Mila Minh
    Mohammed Monica Nadia Naomi Natalie Nathan Nia Nicole Nikhil Noah Nora Nuria Olga Oliver Omar Oscar
    Pablo Patrick Paula Peter Priya Quentin Rachel Rafael Raj Ramona Raymond Rebecca Renee Ricardo Robert
    Rosa Ruth Ryan Sadia Samuel Sandra Sanjay Sara Scott Sean Shanice Sofia Stella Stephen Sun Susan Tamika
    Tara Tariq Teresa Thomas Thuy Tiana Tomas Trevor Tyrone Uma Valentina Vanessa Victor Vikram Vivian
    Walter Wei Wendy William Xavier Ximena Yara Yolanda Yusuf Zachary Zainab Zoe
""")

LAST_NAMES = split_words("""
    Abbott Abdi Acosta Adeyemi Aguilar Ahmed Ali Allen Alvarez Anderson Andrade Arroyo Bailey Baker Banerjee
    Barnes Bauer Begay Bell Bennett Berg Bianchi Boateng Bowman Brooks Brown Bui Burke Butler Cabrera
    Campbell Cardenas Carlson Carter Castillo Chan Chang Chavez Chen Cho Chowdhury Clark Cohen Coleman
    Collins Contreras Cooper Cox Cruz Dang Davis Delgado Desai Diaz Do Dominguez Duarte Dubois Edwards
    Eriksen Espinoza Estrada Evans Farah Fernandez Fischer Fleming Flores Foster Franco Friedman Fuentes
    Gallagher Garcia Garza Gibson Gill Gomez Gonzalez Goodwin Grant Green Greene Griffin Gupta Gutierrez
    Guzman Haddad Hall Hamilton Han Hansen Harper Harris Hassan Hayes Henderson Hernandez Herrera Hoang
    Hoffman Howard Huang Hughes Hussain Ibarra Iglesias Ito Iyer Jackson James Jansen Jenkins Jensen Jimenez
    Johnson Jones Joshi Kamara Kang Kaplan Kaur Keller Kelly Khan Kim King Klein Kowalski Kumar Larsen Le
    Lee Leon Levine Lewis Li Lin Liu Lopez Lozano Lucero Lund Luna Mackey Maldonado Marquez Martin Martinez
    Mbeki McCarthy McKenzie Medina Mehta Mendez Mensah Meyer Miller Mitchell Mohamed Molina Montoya Moore
    Morales Morgan Moss Muhammad Murphy Murray Nakamura Nelson Ng Nguyen Nichols Nielsen Novak Nunez Nwosu
    O'Brien O'Connor O'Neal Ochoa Ogden Ojeda Okafor Olson Ortega Ortiz Osborne Owens Padilla Pak Palmer
    Park Parker Patel Paul Pena Perez Perry Petersen Petrov Pham Phillips Pineda Powell Price Quinn Ramirez
    Ramos Rao Reddy Reed Reyes Richardson Rios Rivera Roberts Robinson Rodriguez Rogers Rojas Romero Rosen
    Ross Rossi Roy Ruiz Russell Ryan Saito Salazar Salinas Sanchez Sanders Sandoval Santiago Santos Sato
    Schmidt Schneider Schwartz Scott Sharma Shaw Shin Silva Simmons Singh Smith Solis Soto Stein Stewart
    Stone Suarez Sullivan Suzuki Takahashi Tan Taylor Thapa Thomas Thompson Torres Tran Trujillo Tsosie
    Turner Valdez Vargas Vasquez Vega Velasco Wagner Walker Wallace Wang Ward Washington Watson Weber Weiss
    West Whitaker White Williams Wilson Wong Wood Wright Wu Yamamoto Yang Yazzie Yoder Yoon Young Yu Zamora
    Zhang Zhao Zhou Zimmerman
""")

# Town, state, postal code and area code, which the SQL separates with `split_part`.
TOWNS = split_phrases("""
    Akron|OH|44308|330
    Albany|NY|12207|518
    Amarillo|TX|79101|806
    Asheville|NC|28801|828
    Athens|GA|30601|706
    Bakersfield|CA|93301|661
    Bangor|ME|04401|207
    Beaumont|TX|77701|409
    Bellingham|WA|98225|360
    Billings|MT|59101|406
    Bloomington|IN|47404|812
    Boise|ID|83702|208
    Burlington|VT|05401|802
    Canton|OH|44702|330
    Cedar Rapids|IA|52401|319
    Champaign|IL|61820|217
    Chandler|AZ|85225|480
    Charleston|WV|25301|304
    Chattanooga|TN|37402|423
    Columbia|MO|65201|573
    Corpus Christi|TX|78401|361
    Dayton|OH|45402|937
    Duluth|MN|55802|218
    Durham|NC|27701|919
    El Paso|TX|79901|915
    Erie|PA|16501|814
    Eugene|OR|97401|541
    Evansville|IN|47708|812
    Fargo|ND|58102|701
    Fayetteville|AR|72701|479
    Flagstaff|AZ|86001|928
    Fort Collins|CO|80521|970
    Fort Wayne|IN|46802|260
    Fresno|CA|93721|559
    Gainesville|FL|32601|352
    Grand Rapids|MI|49503|616
    Green Bay|WI|54301|920
    Greenville|SC|29601|864
    Hagerstown|MD|21740|240
    Hartford|CT|06103|860
    Hattiesburg|MS|39401|601
    Huntsville|AL|35801|256
    Jackson|MS|39201|601
    Kalamazoo|MI|49007|269
    Knoxville|TN|37902|865
    Lafayette|LA|70501|337
    Lancaster|PA|17602|717
    Las Cruces|NM|88001|575
    Lexington|KY|40507|859
    Lincoln|NE|68508|402
    Little Rock|AR|72201|501
    Lubbock|TX|79401|806
    Macon|GA|31201|478
    Madison|WI|53703|608
    Manchester|NH|03101|603
    Medford|OR|97501|541
    Mesa|AZ|85201|480
    Missoula|MT|59802|406
    Mobile|AL|36602|251
    Muncie|IN|47305|765
    New Haven|CT|06510|203
    Norfolk|VA|23510|757
    Ogden|UT|84401|801
    Olympia|WA|98501|360
    Pensacola|FL|32502|850
    Peoria|IL|61602|309
    Provo|UT|84601|801
    Pueblo|CO|81003|719
    Rapid City|SD|57701|605
    Reno|NV|89501|775
    Roanoke|VA|24011|540
    Rochester|MN|55902|507
    Rockford|IL|61101|815
    Salem|OR|97301|503
    Salinas|CA|93901|831
    Savannah|GA|31401|912
    Scranton|PA|18503|570
    Shreveport|LA|71101|318
    Sioux Falls|SD|57104|605
    South Bend|IN|46601|574
    Spokane|WA|99201|509
    Springfield|MO|65806|417
    Stockton|CA|95202|209
    Syracuse|NY|13202|315
    Tacoma|WA|98402|253
    Tallahassee|FL|32301|850
    Toledo|OH|43604|419
    Topeka|KS|66603|785
    Trenton|NJ|08608|609
    Tucson|AZ|85701|520
    Tulsa|OK|74103|918
    Tyler|TX|75702|903
    Waco|TX|76701|254
    Wichita|KS|67202|316
    Worcester|MA|01608|508
    Yakima|WA|98901|509
    Youngstown|OH|44503|330
    Yuma|AZ|85364|928
""")

STREETS = split_words("""
    Alder Aspen Beacon Birch Bridge Cedar Center Cherry Chestnut Church Clover College Cottonwood Cypress
    Depot Dogwood Elm Fairview Ferry Foundry Garden Grove Harbor Hawthorn Hickory Highland Hill Holly
    Jefferson Juniper Lake Laurel Liberty Linden Locust Madison Magnolia Main Maple Market Meadow Mesquite
    Mill Mulberry Oak Orchard Park Pecan Pine Poplar Prairie Prospect Quarry Railroad Ridge River Sage
    School Spring Spruce Summit Sunset Sycamore Union Valley Vine Walnut Washington Willow
""")
STREET_KINDS = ["St", "St", "St", "Ave", "Ave", "Rd", "Ln", "Dr", "Ct", "Blvd", "Way"]

FIRM_NAMES = split_phrases(
    """
    Blue Heron|Bright Path|Cascade|Cedar Ridge|Copper Kettle|Cornerstone|Crescent|Dogwood|Eastgate|Evergreen|
    Fairfield|Five Points|Foxglove|Golden Hour|Granite|Great Plains|Green Valley|Harborview|Heartland|
    High Desert|Highline|Horizon|Ironwood|Juniper|Keystone|Lakeside|Lantern|Lone Star|Magnolia|Maple Leaf|
    Meridian|Mesa Verde|Midtown|Monarch|Northside|Oak Hollow|Old Mill|Pacific Crest|Palmetto|Pinnacle|
    Prairie Sky|Red Rock|Redwood|Ridgeline|River Bend|Riverside|Sagebrush|Silver Creek|Skyline|Southwind|
    Steel City|Stonebridge|Summit|Sunrise|Tidewater|Timberline|Tri-County|Twin Rivers|Union Square|
    Westbrook|White Oak|Wildflower|Willow Creek|Yellow Door
""",
    "|",
)
TRADES = [
    "Auto Repair",
    "Bakery",
    "Bookkeeping",
    "Brewing",
    "Builders",
    "Cabinetry",
    "Cafe",
    "Catering",
    "Child Care",
    "Cleaning",
    "Coffee Roasters",
    "Concrete",
    "Courier",
    "Dental",
    "Design",
    "Electric",
    "Excavating",
    "Farms",
    "Fitness",
    "Flooring",
    "Florist",
    "Freight",
    "Grill",
    "Hardware",
    "Heating & Air",
    "Home Care",
    "Hospitality",
    "Landscaping",
    "Law Group",
    "Logistics",
    "Machine Works",
    "Market",
    "Masonry",
    "Medical Supply",
    "Movers",
    "Nursery",
    "Optical",
    "Painting",
    "Pharmacy",
    "Plumbing",
    "Printing",
    "Property Management",
    "Realty",
    "Roofing",
    "Salon",
    "Security",
    "Software",
    "Staffing",
    "Tree Service",
    "Trucking",
    "Veterinary",
    "Welding",
]
FIRM_ENDINGS = ["", "", "", " LLC", " LLC", " Inc", " Co", " & Sons"]

PEOPLE_PARAMETERS = {"first_names": FIRST_NAMES, "last_names": LAST_NAMES}
PLACE_PARAMETERS = {"towns": TOWNS, "streets": STREETS, "street_kinds": STREET_KINDS}
FIRM_PARAMETERS = {"firm_names": FIRM_NAMES, "trades": TRADES, "firm_endings": FIRM_ENDINGS}

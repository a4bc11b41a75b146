/** Who is in a story, and where and what it is about: one of each, from beginning to end. */
export const CAST = {
  hero: ['Mara', 'Ines', 'Ada', 'Juno', 'Tilda', 'Noor', 'Vesna', 'Oda'],
  friend: ['Orrin', 'Bas', 'Ilya', 'Tobias', 'Wen', 'Casimir', 'Joss', 'Pell'],
  home: ['Harrow Point', 'Lower Quill', 'Saltmarsh', 'Ember Cross', 'Windle', 'Greyhaven'],
  rival: ['the Postmaster', 'the Harbour Warden', 'the woman in the green coat', 'the Surveyor', 'the last of the Collectors'],
  subject: ['the light that answered', 'the letter that nobody had sent', 'the clock that ran backwards', 'the river under the town', 'the bell without a tower']
} as const

/** What fills the places in a scene. */
export const WORDS = {
  bird: ['heron', 'jackdaw', 'gull', 'wren', 'crane', 'raven', 'magpie', 'curlew'],
  colour: ['grey', 'yellow', 'pale green', 'copper', 'blue', 'white', 'rust-red', 'silver'],
  food: ['bread and cold fish', 'a pot of lentils', 'three apples', 'honey on a crust', 'soup that was mostly water', 'a cheese as hard as a brick', 'chestnuts', 'a pie of uncertain contents'],
  number: ['three', 'seven', 'nine', 'eleven', 'forty', 'a dozen', 'nineteen', 'two hundred'],
  place: ['an empty mill', 'a chapel without a roof', 'the ferry house', 'a market that was just closing', 'an inn called The Patient Horse', 'a bridge with a door in it', 'the old signal station', 'a library in a barn', 'a garden behind a wall', 'the toll house'],
  road: ['the road along the dyke', 'the towpath', 'the steep lane through the vineyards', 'the forest road', 'the old railway line', 'the path over the moor', 'the causeway', 'the road that the map did not show'],
  sound: ['a bell', 'somebody whistling', 'the creak of a pump', 'water under the floor', 'a far-off train', 'an accordion', 'the tick of cooling stones', 'dogs'],
  stranger: ['a woman who mended nets', 'a boy with a lantern', 'a clockmaker without clocks', 'an old soldier', 'a tinker', 'a girl who sold keys', 'a man who counted carts', 'a teacher on his way to nowhere', 'a nun with muddy boots', 'the ferryman'],
  thing: ['a brass key', 'a folded map', 'half a letter', 'a compass that pointed south', 'a button of bone', 'a glass bead', 'a ticket for a train that no longer ran', 'a small mirror', 'a reel of copper wire', 'a notebook with its first page torn out'],
  time: ['Before sunrise', 'At noon', 'On the third day', 'Towards evening', 'When the fog lifted', 'After the rain', 'On a Sunday', 'A week later', 'In the first frost', 'Late that night'],
  weather: ['The wind had gone round to the north', 'It rained as if it had been paid to', 'The sky was high and empty', 'Fog lay in the hollows', 'It was the kind of heat in which dogs do not bark', 'Snow was in the air, and would not fall', 'The clouds went by in good order, like sheep', 'It was a clear day, and cold']
} as const

/** Paragraphs, by what they do in a story. */
export const SCENES = {
  beginning: [
    'In {home}, people said of {subject} what people say of most things: that it was none of their business. {hero} was the only one who had ever asked, and she had been told so {number} times.',
    'Nobody in {home} could remember who had first spoken of {subject}. But {hero} remembered the day on which they had stopped, all of them at once, as one stops talking when somebody comes into the room.',
    'It began with {thing}, which lay one morning on the doorstep of the smallest house in {home}. {hero} turned it over, and on the back somebody had written, in {colour} ink: *{subject}*.'
  ],
  title: [
    'The first step', 'What the ferryman knew', 'Salt and copper', 'A door in the bridge', 'The wrong letter', 'Lanterns', 'The long way round', 'Under the floor', 'A price is named',
    'Rain', 'The map is mistaken', 'An old promise', 'The second key', 'Silence on the line', 'Low water', 'What {friend} had hidden', 'The answer, or one of them', 'Home by another road', 'Nine bells', 'A light goes out'
  ],
  opening: [
    '{weather}. {hero} set out early, with {food} in her bag and {thing} in her pocket, and took {road}, because it was the one on which nobody would look for her.',
    '{time}, they came to {place}. It looked as though it had been waiting, not for them in particular, but for somebody. {friend} knocked. From inside came {sound}, and then nothing.',
    '{time}, {friend} was gone. His blanket was folded, his cup was washed, and on the table lay {thing}. {hero} did not call for him. She drank her tea, put on her boots, and followed {road} as far as it went.',
    'They had walked for {number} hours when {road} came to an end. It did not lead anywhere; it just stopped, as a sentence does when the speaker has thought better of it. Beyond it stood {place}.',
    '{weather}. There was no reason to stay, and none to go, and so they went. {hero} counted her steps and lost count, and began again, and somewhere after {number} she heard {sound}.',
    '{time}, a {bird} sat on the gatepost, and would not be moved. “That is a sign,” said {friend}. “It is a {bird},” said {hero}. But she went round by the other gate.',
    'The map showed {place}, and where the map showed it there was a field. {hero} turned the sheet upside down, then held it against the light. In the paper was a watermark: a {bird}, and under it the word for *patience*.',
    '{weather}, and {road} was under water. They sat on a wall, ate {food}, and waited. {friend} told a story about his uncle which had no end, and when he came to the place where the end should have been, the water was gone.',
    '{time}, somebody had painted a {colour} line across {road}. It had not been there the day before. {friend} would have turned back. {hero} looked at it for a while, and then stepped over it, as one steps over a sleeping dog.',
    'There is an hour at which all houses look inhabited. At that hour they reached {place}, and every window had a {colour} light in it. When they were near enough to knock, there was only one.',
    'They had slept badly, in {place}, to {sound}. {hero} woke with the feeling of having been told something important, and the words were gone before she had found her shoes.',
    '{time}, the carts stopped coming. {hero} noticed it as one notices that a clock has stopped: not by hearing it, but by hearing everything else. She went up on the roof. {weather}.'
  ],
  event: [
    'On the bench sat {stranger}, who looked up and said: “You are late.” Nobody had known that they would come. The stranger held out {thing}, and would take no money for it, only the promise that they would not read it, or open it, or throw it away, before they had crossed {number} bridges.',
    'Then the floor gave way. It was not a deep fall, but it was a thorough one. When the dust had settled, {hero} sat in a cellar with {colour} walls, and around her, on shelves, stood {number} jars, each with a label, and on each label was a name that she knew.',
    'It was {rival}, of course. There were four men with the carriage, and none of them was in a hurry. “Give me what you carry,” said {rival}, “and I shall tell you everything about {subject}.” {hero} thought about it for as long as one needs to take a deep breath. Then she took {thing} out of her bag, and let it fall into the river.',
    '{friend} found it behind the stove: a box with neither a lid nor a keyhole. They shook it, and it gave back {sound}. They warmed it, and it opened by itself, as a mussel does. In it was {thing}, and under that a list of {number} names. The last one was {hero}.',
    'A wire ran along the wall, thin as a hair, and where it came out of the wall sat {stranger}, with an ear to it. “It only goes one way,” the stranger said. “Somebody talks, and I listen. In {number} years I have never been able to say so much as thank you.” {hero} knelt down, and listened as well.',
    'The door had {number} locks, and {thing} fitted none of them. They tried until their hands were black. Then {stranger} came by, said good evening, and pushed. It had never been locked. It only opened inwards.',
    'In the middle of the room hung a rope. {friend} said that one should not pull at ropes whose other end one cannot see, and pulled. Far above them something woke up, turned over, and rang. In {home}, half a day away, people put down their spoons.',
    'They were not alone. On the other bank stood {rival}, with a lamp, and made signs with it: long, short, long. {hero} could not help reading them. *I know what you have found*, they said. And after a pause: *Be careful with it. I was not.*',
    'The ferry was a raft, and the ferryman was asleep. They took it across by themselves, and in the middle the current held it, quite gently, as one holds somebody by the sleeve. Under them, deep down, went a light. It was {colour}, and it kept pace with them, and at the landing it was there before they were.',
    '“I am to give you this,” said {stranger}, and gave {hero} a letter. It was addressed to her, in her own hand. It had been posted in {home} on a day that was still a month away. There was only one line in it: *Do not take {road}.* They looked back. It was what they had come by.',
    'The market was all but over, and what was left was what nobody wanted: {food}, a cage without a {bird}, {thing}. {hero} bought the last of these for {number} pennies. It was too much, and she knew it; but the seller\'s hands had trembled when she picked it up.',
    'There was a fire that night, and it was theirs. They saved {thing}, and a boot each. By the light of it, on the hill, they saw for the first time how many had followed them: {number} at least, and {rival} in front, with a hat in both hands, like somebody who comes to a funeral.'
  ],
  talk: [
    '“You could go home,” said {friend}.\n\n“I could,” said {hero}. “And then I should sit there and know that there is {road}, and that I am not on it.”\n\n“People live with worse.”\n\n“They do,” she said. “They live in {home}.”',
    '“What will you do when you know?” asked {friend}.\n\n“Tell everybody.”\n\n“And if they do not want to hear it?”\n\n{hero} thought of {home}, and of all the shut windows. “Then I shall say it slowly,” she said, “one word at a time.”',
    '“My grandmother knew about {subject},” said {stranger}. “She told me all of it, one winter.”\n\n“And?”\n\n“I was five. I remember {sound}, and that she cried, and what we ate: {food}.”',
    '“How far is it?”\n\n“That depends. For a {bird}, an hour.”\n\n“And for us?”\n\n{friend} looked at the sky, at their shoes, and at all that was left to eat, which was {food}. “For us,” he said, “it is as far as it is.”',
    '“I have not told you everything,” said {friend}.\n\n“I know,” said {hero}.\n\n“Since when?”\n\n“Since {place}. You looked at {thing} as one looks at somebody one used to know.” She moved over, so that there was room by the fire. “You need not begin at the beginning.”',
    '“They say that {rival} has been looking for it for {number} years.”\n\n“And has not found it?”\n\n“Has found it every time,” said {stranger}, “and every time it was something else.”',
    '“Listen,” said {hero}.\n\n“I hear nothing.”\n\n“That is what I mean. There was {sound}, all the way from {home}. When did it stop?”\n\n{friend} put down his bag, very carefully. “When we started talking about it,” he said.',
    '“You are not afraid,” said {rival}. It was almost a question.\n\n“I am,” said {hero}. “I am just not in a hurry about it.”\n\nAnd {rival} laughed, for the first time in this story, and then had to sit down.',
    '“If I do not come back,” said {friend}, “the {colour} cup is yours.”\n\n“I do not like that cup.”\n\n“I know. That is why I shall come back.”',
    '“Do you have a permit?” asked {stranger}.\n\n“For what?”\n\n“For being here.”\n\n{hero} held out {thing}. The stranger looked at it from both sides, stamped it, and gave it back. “Valid until spring,” the stranger said, and opened the gate.'
  ],
  thought: [
    'It is a strange thing about the truth that it does not look like much. {hero} had imagined something that shone. What she had so far was {thing}, a bad foot, and the feeling that somebody, somewhere, was waiting for her to understand.',
    'She thought of {home}: of the {colour} shutters, of {sound} in the evening, of how everybody there knew what everybody else would say. It had seemed to her like a prison. Now it seemed like a book that she had put down in the middle.',
    '{friend} slept. {hero} sat up and laid out what they knew, in a row, like cards: {subject}; {rival}; {thing}. Whichever way she put them, there was one place left empty, and it was always the one in the middle.',
    'Perhaps, she thought, it was not a question of finding. A {bird} does not find the south. It only stops, one day, going anywhere else.',
    'There are people who can wait, and people who can hope, and it is rare that one person can do both. {hero} could wait. She began to suspect that {friend}, for all his grumbling, had been doing the other thing the whole time, for the two of them.',
    'What had she expected? An answer is only the end of a question, as a harbour is only the end of a voyage. Nobody goes to sea for the sake of harbours. And yet everybody asks how far it is.',
    'She had counted on courage, and found that it was not needed. What was needed was dry socks, {food}, and to go on when it had become boring. Nobody had ever told her so. It is not what songs are about.',
    'So that was how it worked: somebody spoke, and it went out along the wires and the rivers and {road}, to whoever cared to listen; and nothing came back, and nothing had to. {hero} found this so sad, and so beautiful, that she ate {food} without noticing.',
    'In the night it came to her that {rival} might be right. It was not a pleasant thought, and she turned it over several times, as one turns a pillow. In the morning it was still there, and had grown smaller, and she put it into her pocket with {thing}.',
    'If one looked at it from {home}, they had gone round in a circle. But {hero} had walked it, and knew that it was not one. They had come back to the same place, higher up.'
  ],
  closing: [
    'When they went on, neither of them looked back. If they had, they would have seen a {colour} lamp, on {road}, and how it was lifted, once, and put out.',
    'That night {hero} wrote it all down. She filled {number} pages, read them, and kept one sentence. It was: *What we look for is not where we have looked, but we have looked well.*',
    '{friend} made a fire. They had {food}, and for once there was enough. Far away went {sound}, and for once neither of them asked what it was.',
    'They left {thing} on the wall, as one leaves a coin, and by morning it was gone. There were footprints, going and coming, of {number} people at least, all of them barefoot.',
    'A {bird} called, and another one answered, from very far away. “There,” said {hero}, “that is all I want.” Then they put out the light.',
    'They slept in turns. In her turn, {hero} saw the sky go {colour} over {home}, and knew, as one knows a name that one has had on one\'s tongue all day, which way to go.',
    'It was only much later, on {road}, that {hero} put her hand into her pocket and found {thing}. She stood still for a moment. Then she walked faster.',
    '“Tomorrow,” said {friend}. And because it was he who said it, and because there was {sound} in the dark and it sounded like a friend, {hero} believed him.',
    'Behind them, in {place}, somebody opened a book, turned to a page with {colour} edges, and crossed out two names.',
    '{weather}. But that was behind them now, and {road} lay ahead; and for the first time since {home} it went downhill.'
  ],
  end: [
    'They say that {hero} came back to {home} in the spring, and that she told everybody who would listen about {subject}, one word at a time. Not many did, at first. But windows were opened, here and there, and then more of them. And in the evening, when the wind is right, one can still hear {sound}.',
    'What the truth about {subject} was? {hero} told it only once, to {friend}, and he laughed until he had to hold on to the fence. Then he said that it had been worth it, all of it, even the soup. If you should come to {home}, ask for the house with the {bird} on the gatepost. She may tell it a second time.'
  ]
} as const

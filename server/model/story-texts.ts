/** The fixed elements of a story: one of each is chosen at the start and kept to the end. */
export const CAST = {
  hero: ['Mara', 'Ines', 'Ada', 'Juno', 'Tilda', 'Noor', 'Vesna', 'Oda'],
  friend: ['Orrin', 'Bas', 'Ilya', 'Tobias', 'Wen', 'Casimir', 'Joss', 'Pell'],
  home: ['Harrow Point', 'Lower Quill', 'Saltmarsh', 'Ember Cross', 'Windle', 'Grayhaven'],
  rival: ['the Postmaster', 'the Harbor Warden', 'the woman in the green coat', 'the Surveyor', 'the last of the Collectors'],
  subject: ['the light that answered', 'the letter that nobody had sent', 'the clock that ran backward', 'the river under the town', 'the bell without a tower']
} as const

/** The choices for the placeholders in a scene. */
export const WORDS = {
  bird: ['heron', 'jackdaw', 'gull', 'wren', 'crane', 'raven', 'magpie', 'curlew'],
  color: ['gray', 'yellow', 'pale green', 'copper', 'blue', 'white', 'rust-red', 'silver'],
  food: ['bread and cold fish', 'a pot of lentils', 'three apples', 'honey on a crust', 'soup that was mostly water', 'a cheese as hard as a brick', 'chestnuts', 'a pie of uncertain contents'],
  number: ['three', 'seven', 'nine', 'eleven', 'forty', 'a dozen', 'nineteen', 'two hundred'],
  place: ['an empty mill', 'a chapel without a roof', 'the ferry house', 'a market that was just closing', 'an inn called The Patient Horse', 'a bridge with a door in it', 'the old signal station', 'a library in a barn', 'a garden behind a wall', 'the toll house'],
  road: ['the road along the dike', 'the towpath', 'the steep lane through the vineyards', 'the forest road', 'the old railroad line', 'the path over the moor', 'the causeway', 'the road that the map did not show'],
  sound: ['a bell', 'somebody whistling', 'the creak of a pump', 'water under the floor', 'a distant train', 'an accordion', 'the tick of cooling stones', 'dogs'],
  stranger: ['a woman who mended nets', 'a boy with a lantern', 'a clockmaker without clocks', 'an old soldier', 'a tinker', 'a girl who sold keys', 'a man who counted carts', 'a teacher on his way to nowhere', 'a nun with muddy boots', 'the ferryman'],
  thing: ['a brass key', 'a folded map', 'half a letter', 'a compass that pointed south', 'a bone button', 'a glass bead', 'a ticket for a train that no longer ran', 'a small mirror', 'a reel of copper wire', 'a notebook with its first page torn out'],
  time: ['Before sunrise', 'At noon', 'On the third day', 'Toward evening', 'When the fog lifted', 'After the rain', 'On a Sunday', 'A week later', 'In the first frost', 'Late that night'],
  weather: ['The wind had shifted to the north', 'It rained as if it were being paid to', 'The sky was high and empty', 'Fog lay in the hollows', 'It was too hot even for the dogs to bark', 'It smelled of snow, but none fell', 'The clouds went by in good order, like sheep', 'It was a clear day, and cold']
} as const

/** Paragraphs, by their role in a story. */
export const SCENES = {
  beginning: [
    'In {home}, people said of {subject} what people say of most things: that it was none of their business. {hero} was the only one who had ever asked, and she had been told so {number} times.',
    'Nobody in {home} could remember who had first spoken of {subject}. But {hero} remembered the day they had stopped, all of them at once, the way people stop talking when somebody walks into the room.',
    'It began with {thing}, which lay one morning on the doorstep of the smallest house in {home}. {hero} turned it over, and on the back somebody had written, in {color} ink: *{subject}*.'
  ],
  title: [
    'The first step', 'What the ferryman knew', 'Salt and copper', 'A door in the bridge', 'The wrong letter', 'Lanterns', 'The long way round', 'Under the floor', 'A price is named',
    'Rain', 'The map is mistaken', 'An old promise', 'The second key', 'Silence on the line', 'Low water', 'What {friend} had hidden', 'The answer, or one of them', 'Home by another road', 'Nine bells', 'A light goes out'
  ],
  opening: [
    '{weather}. {hero} set out early, with {food} in her bag and {thing} in her pocket, and took {road}, because nobody would look for her there.',
    '{time}, they came to {place}. It looked as though it had been waiting, not for them in particular, but for somebody. {friend} knocked. From inside came {sound}, and then nothing.',
    '{time}, {friend} was gone. His blanket was folded, his cup was washed, and on the table lay {thing}. {hero} did not call for him. She drank her tea, put on her boots, and followed {road} as far as it went.',
    'They had walked for {number} hours when {road} came to an end. It did not lead anywhere; it just stopped, the way a speaker stops after thinking better of a sentence. Beyond it stood {place}.',
    '{weather}. There was no reason to stay and none to leave, so they left. {hero} counted her steps and lost count and started over, and somewhere after {number} she heard {sound}.',
    '{time}, a {bird} sat on the gatepost and would not move. “That is a sign,” said {friend}. “It is a {bird},” said {hero}. But she went around by the other gate.',
    'The map showed {place}, but when they got there, all they found was a field. {hero} turned the sheet upside down, then held it against the light. In the paper was a watermark: a {bird}, and under it the word for *patience*.',
    '{weather}, and {road} was under water. They sat on a wall, ate {food}, and waited. {friend} told a story about his uncle that had no ending, and by the time he reached the place where the ending should have been, the water was gone.',
    '{time}, somebody had painted a {color} line across {road}. It had not been there the day before. {friend} would have turned back. {hero} looked at it for a while, and then stepped over it as if it were a sleeping dog.',
    'There is an hour at which all houses look inhabited. At that hour they reached {place}, and every window had a {color} light in it. By the time they were near enough to knock, there was only one.',
    'They had slept badly, in {place}, to {sound}. {hero} woke with the feeling that somebody had told her something important, and the words were gone before she had found her shoes.',
    '{time}, the carts stopped coming. {hero} noticed it the way you notice that a clock has stopped: by hearing everything else. She went up on the roof. {weather}.'
  ],
  event: [
    'On the bench sat {stranger}, who looked up and said: “You are late.” Nobody had known that they would come. The stranger held out {thing}, and asked for no money, only for the promise that they would not read it, or open it, or throw it away, before they had crossed {number} bridges.',
    'Then the floor gave way. It was not a deep fall, but it was a thorough one. When the dust had settled, {hero} sat in a cellar with {color} walls, and around her, on shelves, stood {number} jars. Each had a label, and on each label was a name that she knew.',
    'It was {rival}, of course. There were four men with the carriage, and none of them was in a hurry. “Give me what you are carrying,” said {rival}, “and I will tell you everything about {subject}.” {hero} thought about it for the length of a deep breath. Then she took {thing} out of her bag and let it fall into the river.',
    '{friend} found it behind the stove: a box with neither a lid nor a keyhole. They shook it, and heard {sound}. They warmed it, and it opened by itself, like a mussel. In it was {thing}, and under that a list of {number} names. The last one was {hero}.',
    'A wire ran along the wall, thin as a hair, and where it came out sat {stranger}, with one ear pressed to it. “It only goes one way,” the stranger said. “Somebody talks, and I listen. In {number} years I have never been able to say so much as thank you.” {hero} knelt down and listened too.',
    'The door had {number} locks, and {thing} fit none of them. They tried until their hands were black. Then {stranger} came by, said good evening, and pushed. It had never been locked. It only opened inward.',
    'In the middle of the room hung a rope. {friend} said that nobody should pull a rope without seeing its other end, and pulled. Far above them something woke up, turned over, and rang. In {home}, half a day away, people put down their spoons.',
    'They were not alone. On the other bank stood {rival}, signaling with a lamp: long, short, long. {hero} could not help reading it. *I know what you have found*, it said. And after a pause: *Be careful with it. I was not.*',
    'The ferry was a raft, and the ferryman was asleep. They took it across by themselves, and in the middle the current held it, quite gently, the way you hold somebody by the sleeve. Deep below them a light was moving. It was {color}, and it kept pace with them, and it reached the landing before they did.',
    '“I was told to give you this,” said {stranger}, and handed {hero} a letter. It was addressed to her, in her own handwriting. It had been mailed in {home} on a day that was still a month away. There was only one line in it: *Do not take {road}.* They looked back. It was the way they had come.',
    'The market was nearly over, and only the things nobody wanted were left: {food}, a cage without a {bird}, {thing}. {hero} bought the last of these for {number} pennies. It was too much, and she knew it; but the seller\'s hands had trembled when she picked it up.',
    'There was a fire that night, and it was theirs. They saved {thing}, and one boot each. By its light they saw, for the first time, how many had followed them: {number} at least, up on the hill, with {rival} in front, holding a hat in both hands like a guest at a funeral.'
  ],
  talk: [
    '“You could go home,” said {friend}.\n\n“I could,” said {hero}. “And then I would sit there and know that there is {road}, and that I am not on it.”\n\n“People live with worse.”\n\n“They do,” she said. “They live in {home}.”',
    '“What will you do when you know?” asked {friend}.\n\n“Tell everybody.”\n\n“And if they do not want to hear it?”\n\n{hero} thought of {home}, and of all the shut windows. “Then I will say it slowly,” she said, “one word at a time.”',
    '“My grandmother knew about {subject},” said {stranger}. “She told me all of it, one winter.”\n\n“And?”\n\n“I was five. I remember {sound}, and that she cried, and what we ate: {food}.”',
    '“How far is it?”\n\n“That depends. For a {bird}, an hour.”\n\n“And for us?”\n\n{friend} looked at the sky, at their shoes, and at all they had left to eat, which was {food}. “For us,” he said, “it is as far as it is.”',
    '“I have not told you everything,” said {friend}.\n\n“I know,” said {hero}.\n\n“Since when?”\n\n“Since {place}. You looked at {thing} as if you had once known it well.” She moved over to make room by the fire. “You do not have to start at the beginning.”',
    '“They say that {rival} has been looking for it for {number} years.”\n\n“And has not found it?”\n\n“Has found it every time,” said {stranger}, “and every time it was something else.”',
    '“Listen,” said {hero}.\n\n“I hear nothing.”\n\n“That is what I mean. There was {sound}, all the way from {home}. When did it stop?”\n\n{friend} put down his bag, very carefully. “When we started talking about it,” he said.',
    '“You are not afraid,” said {rival}. It was almost a question.\n\n“I am,” said {hero}. “I am just not in a hurry about it.”\n\nAnd {rival} laughed, for the first time in this story, and then had to sit down.',
    '“If I do not come back,” said {friend}, “the {color} cup is yours.”\n\n“I do not like that cup.”\n\n“I know. That is why I will come back.”',
    '“Do you have a permit?” asked {stranger}.\n\n“For what?”\n\n“For being here.”\n\n{hero} held out {thing}. The stranger looked at it from both sides, stamped it, and gave it back. “Valid until spring,” the stranger said, and opened the gate.'
  ],
  thought: [
    'The strange thing about the truth is that it does not look like much. {hero} had imagined something that shone. So far she had {thing}, a sore foot, and the feeling that somebody, somewhere, was waiting for her to understand.',
    'She thought of {home}: of the {color} shutters, of {sound} in the evening, of how everybody there knew what everybody else would say. It had once seemed like a prison. Now it seemed like a book that she had put down halfway through.',
    '{friend} slept. {hero} sat up and laid out what they knew, in a row, like cards: {subject}; {rival}; {thing}. However she arranged them, one place stayed empty, and it was always the one in the middle.',
    'Perhaps, she thought, it was not a matter of finding. A {bird} does not find the south. One day it simply stops going anywhere else.',
    'Some people can wait, and some people can hope, and few can do both. {hero} could wait. She began to suspect that {friend}, for all his grumbling, had been hoping the whole time, for the two of them.',
    'What had she expected? An answer is only the end of a question, just as a harbor is only the end of a voyage. Nobody goes to sea for the harbors. And yet everybody asks how far it is.',
    'She had counted on needing courage, and she did not. She needed dry socks, {food}, and the patience to walk on after it had become boring. Nobody had ever told her so. There are no songs about it.',
    'So that was how it worked: somebody spoke, and the words traveled along the wires and the rivers and {road}, to anybody who cared to listen; and nothing came back, and nothing had to. {hero} found this so sad, and so beautiful, that she ate {food} without noticing.',
    'In the night it occurred to her that {rival} might be right. It was not a pleasant thought, and she turned it over several times, like a pillow. In the morning it was still there, only smaller, and she put it in her pocket with {thing}.',
    'On a map, they had gone in a circle. But {hero} had walked it, and knew better. They had come back to the same place, higher up.'
  ],
  closing: [
    'When they moved on, neither of them looked back. If they had, they would have seen a {color} lamp on {road}, lifted once and put out.',
    'That night {hero} wrote it all down. She filled {number} pages, read them, and kept one sentence: *We have not found it where we looked, but we have looked well.*',
    '{friend} made a fire. They had {food}, and for once there was enough. Far away they heard {sound}, and for once neither of them asked what it was.',
    'They left {thing} on the wall like a coin, and by morning it was gone. There were footprints, coming and going, of {number} people at least, all of them barefoot.',
    'A {bird} called, and another one answered from very far away. “There,” said {hero}, “that is all I want.” Then they put out the light.',
    'They slept in turns. During her watch, {hero} saw the sky turn {color} over {home}, and suddenly, like a name that had been on the tip of her tongue all day, she knew which way to go.',
    'Only much later, on {road}, did {hero} put her hand in her pocket and find {thing}. She stood still for a moment. Then she walked faster.',
    '“Tomorrow,” said {friend}. And because it was he who said it, and because there was {sound} in the dark and it sounded like a friend, {hero} believed him.',
    'Behind them, in {place}, somebody opened a book, turned to a page with {color} edges, and crossed out two names.',
    '{weather}. But that was behind them now, and {road} lay ahead; and for the first time since {home} it went downhill.'
  ],
  end: [
    'They say that {hero} came back to {home} in the spring, and that she told everybody who would listen about {subject}, one word at a time. Few did, at first. But a window opened here and there, and then more of them. And in the evening, when the wind is right, you can still hear {sound}.',
    'And the truth about {subject}? {hero} told it only once, to {friend}, and he laughed until he had to hold on to the fence. Then he said that it had been worth it, all of it, even the soup. If you ever come to {home}, ask for the house with the {bird} on the gatepost. She may tell it a second time.'
  ]
} as const
